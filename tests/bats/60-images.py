#!/usr/bin/env python3
"""Sources for 60-images.bats: python3 60-images.py KIND TARGET. Everything is made here, nothing is downloaded."""
import gzip, hashlib, io, json, os, sys, tarfile


def layer(members):
    """members: (name, kind, value); kind d, f, l (symlink), h (hard link), w (whiteout is just a file name)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, kind, value in members:
            i = tarfile.TarInfo(name)
            i.mode, i.mtime = 0o755 if kind == "d" else 0o644, 1000000000
            i.type = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}[kind]
            if kind in "lh":
                i.linkname = value
            data = value.encode() if kind == "f" else b""
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


LOWER = [("etc", "d", ""), ("etc/keep", "f", "lower"), ("etc/gone", "f", "x"), ("etc/over", "f", "old"),
         ("opq", "d", ""), ("opq/below", "f", "x"), ("bin", "d", ""), ("bin/a", "f", "prog"), ("bin/b", "h", "bin/a"),
         ("sub", "d", ""), ("sub/x", "f", "x"), ("again", "d", ""), ("again/old", "f", "x")]
UPPER = [("etc", "d", ""), ("etc/.wh.gone", "f", ""), ("etc/over", "f", "new"), ("opq", "d", ""),
         ("opq/.wh..wh..opq", "f", ""), ("opq/above", "f", "y"), (".wh.sub", "f", ""),
         (".wh.again", "f", ""), ("again", "d", ""), ("again/new", "f", "z")]


class Layout:
    def __init__(self, at):
        self.at = at
        os.makedirs(at + "/blobs/sha256")
        open(at + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, media):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        h = hashlib.sha256(data).hexdigest()
        open(f"{self.at}/blobs/sha256/{h}", "wb").write(data)
        return {"mediaType": media, "digest": "sha256:" + h, "size": len(data)}

    def image(self, layers, arch="amd64", created="2020-01-01T00:00:00Z", **config):
        diffs = ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]
        c = self.blob({"architecture": arch, "os": "linux", "created": created,
                       "config": {"Env": ["A=b"], "Cmd": ["/bin/a"], "User": "7:8", "WorkingDir": "/etc", **config},
                       "rootfs": {"type": "layers", "diff_ids": diffs}}, "application/vnd.oci.image.config.v1+json")
        ls = [self.blob(gzip.compress(l, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip") for l in layers]
        return self.blob({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                          "config": c, "layers": ls}, "application/vnd.oci.image.manifest.v1+json")

    def index(self, manifests):
        return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}

    def write(self, manifests):
        json.dump(self.index(manifests), open(self.at + "/index.json", "w"))


def named(d, name):
    return {**d, "annotations": {"org.opencontainers.image.ref.name": name}}


def layout(at):
    o = Layout(at)
    o.write([named(o.image([layer(LOWER), layer(UPPER)]), "example.org/two:1.0")])


def covered(at):
    """Whiteouts, and then something below the same names without a member for the directory."""
    o = Layout(at)
    upper = [(".wh.sub", "f", ""), ("sub/deep/new", "f", "z"), (".wh.again", "f", ""), ("again/.wh..wh..opq", "f", ""),
             ("again/new", "f", "z")]
    o.write([named(o.image([layer(LOWER), layer(upper)]), "covered:1")])


def boastful(at):
    o = Layout(at)
    o.write([named(o.image([layer(LOWER)], created="\x1b]0;mine\x07\u009b31m\nfalse:1 sha256:0"), "template/debian:bookworm")])


def nested(at):
    o = Layout(at)
    native = o.image([layer(LOWER)])
    other = o.image([layer([("wrong", "d", "")])], arch="s390x")
    inner = o.blob(o.index([{**other, "platform": {"architecture": "s390x", "os": "linux"}},
                            {**native, "platform": {"architecture": "amd64", "os": "linux"}}]),
                   "application/vnd.oci.image.index.v1+json")
    o.write([named(inner, "v7")])


def foreign(at):
    o = Layout(at)
    m = o.image([layer(LOWER)], arch="s390x")
    o.write([{**m, "platform": {"architecture": "s390x", "os": "linux"}}])


def several(at):
    o = Layout(at)
    o.write([named(o.image([layer(LOWER)]), "one:1"), named(o.image([layer(UPPER)]), "two:1")])


def twice(at):
    o = Layout(at)
    e = layer([("d", "d", "")])
    o.write([named(o.image([e, layer(LOWER), e]), "twice:1")])


def saved(at, digest="", packed=False):
    os.makedirs(at)
    ls = [layer(LOWER), layer(UPPER)]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/bin/b"]}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(l).hexdigest() for l in ls]}}).encode()
    name = digest + hashlib.sha256(config).hexdigest() + ("" if packed else ".json")
    open(f"{at}/{name}", "wb").write(config)
    paths = []
    for l in ls:
        h = hashlib.sha256(l).hexdigest()
        if packed:
            open(f"{at}/{h}.tar.gz", "wb").write(gzip.compress(l, mtime=0))
            paths.append(f"{h}.tar.gz")
            continue
        os.makedirs(f"{at}/{h}")
        open(f"{at}/{h}/layer.tar", "wb").write(l)
        paths.append(f"{h}/layer.tar")
    json.dump([{"Config": name, "RepoTags": ["saved/app:2"], "Layers": paths}], open(at + "/manifest.json", "w"))


def packed(at):
    """As builders without a daemon write it: the configuration by its digest, layers compressed."""
    saved(at, "sha256:", True)


globals()[sys.argv[1]](sys.argv[2])
