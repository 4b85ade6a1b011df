#!/usr/bin/python3
"""A client of the container runtime interface, between its gRPC and a test's JSON.
cri.py serve SOCKET LISTEN     answers POST /METHOD on the socket LISTEN: JSON in, JSON out, with every member; a refusal is
                               its text, with status 500
cri.py stream URL [COLSxROWS]  an exec or attach: standard input goes in, what comes out is printed, to the end
The interface is compiled from cri.proto beforehand; its directory is in CRI_PB."""
import http.server, json, os, socketserver, sys, threading


def serve(engine, listen):
    sys.path.insert(0, os.environ["CRI_PB"])
    import cri_pb2
    import grpc
    from google.protobuf import json_format, message_factory

    service = cri_pb2.DESCRIPTOR.services_by_name["RuntimeService"]
    channel = grpc.insecure_channel("unix:" + engine, [("grpc.max_reconnect_backoff_ms", 100)])
    factory = message_factory.MessageFactory()

    class Handler(http.server.BaseHTTPRequestHandler):
        def address_string(self):
            return "test"

        def do_POST(self):
            m = service.methods_by_name[self.path[1:]]
            ask, answer = (factory.GetPrototype(t) for t in (m.input_type, m.output_type))
            rpc = channel.unary_unary(f"/{service.full_name}/{m.name}", ask.SerializeToString, answer.FromString)
            try:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                r = rpc(json_format.ParseDict(said, ask()), wait_for_ready=True)
                self.reply(200, json_format.MessageToJson(r, including_default_value_fields=True,
                                                          preserving_proto_field_name=True, indent=0))
            except grpc.RpcError as e:
                self.reply(500, e.details())
            except (ValueError, json_format.ParseError) as e:
                self.reply(500, f"the test's request: {e}")

        def reply(self, status, text):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode() + b"\n")

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        request_queue_size = 100

    Server(listen, Handler).serve_forever()


def stream(url, size=None):
    """The web socket form of the streams, protocol v4: the first byte of a message is its channel."""
    import websocket

    ws = websocket.create_connection(url.replace("http:", "ws:"), subprotocols=["v4.channel.k8s.io"])

    def feed():
        while data := os.read(0, 4096):
            ws.send_binary(b"\0" + data)

    if size:
        cols, rows = size.split("x")
        ws.send_binary(b"\4" + json.dumps({"Width": int(cols), "Height": int(rows)}).encode())
    threading.Thread(target=feed, daemon=True).start()
    while True:
        try:
            op, data = ws.recv_data()
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return
        if op == websocket.ABNF.OPCODE_CLOSE:
            return
        if data[:1] in (b"\1", b"\2"):
            os.write(data[0], data[1:])
        elif data[:1] == b"\3" and data[1:]:
            os.write(2, data[1:] + b"\n")


{"serve": serve, "stream": stream}[sys.argv[1]](*sys.argv[2:])
