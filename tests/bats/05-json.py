"""Random documents, good and broken, read by vzrun's parser and by Python's: the same are refused, the same are understood."""
import json
import random
import struct
import subprocess
import sys

ATOMS = ['0', '-0', '1', '-1', '1.5', '1e5', '1E+5', '1e-7', '01', '.5', '1.', '-', '+1', '1e', '0x1', 'NaN', 'Infinity', 'true',
         'false', 'null', 'tru', '""', '"a"', r'"\u0041"', r'"\ud83d\ude00"', r'"\x"', '"\\"', '"\t"', '"\x01"', r'"\u0000"', '"é"',
         r'"\/\b\f\n\r\t"', '\xff', '"\x7f"', '18446744073709551616', '123456789012345678901234567890', r'"\u00"', '"\ud800"']
KEYS = ['"k%d"' % i for i in range(6)] + ['"a"', 'k', r'"\u0061"', '1']


def document(depth=0):
    kind = random.random()
    if depth > 4 or kind < .45:
        return random.choice(ATOMS)
    if kind < .7:
        return '[' + random.choice([',', ' , ', '\n,']).join(document(depth + 1) for _ in range(random.randrange(4))) + ']'
    return '{' + ','.join(random.choice(KEYS) + random.choice([':', ' : ']) + document(depth + 1)
                          for _ in range(random.randrange(4))) + '}'


def broken(text):
    text = bytearray(text)
    for _ in range(random.randrange(3)):
        at = random.randrange(len(text) + 1)
        what = random.randrange(3)
        if what == 0 and at < len(text):
            text[at] = random.randrange(256)
        elif what == 1:
            del text[at:at + 1]
        else:
            text.insert(at, random.choice(b'{}[]",:\\0123 \n\xc3\xa9\xff\xed\xa0\x80'))
    return bytes(text)


def pairs(members):
    out = dict(members)
    if len(out) != len(members):
        raise ValueError('a key twice')
    return out


def refuse(_):
    raise ValueError('no number of JSON')


def number(text):
    return ('number', text)


def tame(value):
    """What vzrun refuses besides (NUL), and how it reads half of a surrogate pair."""
    if isinstance(value, str):
        if '\0' in value:
            raise ValueError('NUL')
        return ''.join('\ufffd' if '\ud800' <= c <= '\udfff' else c for c in value)
    if isinstance(value, dict):
        return {tame(k): tame(v) for k, v in value.items()}
    return [tame(v) for v in value] if isinstance(value, list) else value


def expected(text):
    try:
        return [tame(json.loads(text.decode(), object_pairs_hook=pairs, parse_constant=refuse, parse_int=number, parse_float=number))]
    except ValueError:
        return None


def answers(out, count):
    at = 0
    for _ in range(count):
        end = out.index(b'\n', at)
        head, at = out[at:end], end + 1
        if head == b'-':
            yield None
            continue
        body, at = out[at:at + int(head)], at + int(head) + 1
        yield [json.loads(body.decode(), object_pairs_hook=pairs, parse_int=number, parse_float=number)]


tool, seed = sys.argv[1], int(sys.argv[2])
random.seed(seed)
docs = []
for _ in range(20000):
    doc = document().encode('utf-8', 'surrogatepass')
    docs.append(broken(doc) if random.random() < .5 else doc)
ran = subprocess.run([tool], input=b''.join(struct.pack('=I', len(d)) + d for d in docs), stdout=subprocess.PIPE, check=True)
good = differ = 0
for doc, got in zip(docs, answers(ran.stdout, len(docs))):
    want = expected(doc)
    good += want is not None
    # Two keys may become one when halves of pairs do.
    if got != want and not (got is None and b'\\u' in doc):
        differ += 1
        print(f'seed {seed}: {doc!r}: want {want!r}, got {got!r}')
print(f'{len(docs)} documents, {good} good, {differ} differ')
sys.exit(differ > 0 or good < len(docs) // 10)
