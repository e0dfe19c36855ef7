"""Writes the FileDescriptorSet that a wheel's generated modules embed, without importing protobuf.

Usage: descriptors.py WHEEL > SET. Each `*_pb2.py` holds one serialised FileDescriptorProto as a bytes literal, the argument
of AddSerializedFile. Field 1 of FileDescriptorSet repeats exactly these.
"""

import ast
import sys
import zipfile


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def embedded(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "AddSerializedFile":
            yield ast.literal_eval(node.args[0])


with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in sorted(wheel.namelist()):
        if name.endswith("_pb2.py"):
            for file in embedded(wheel.read(name)):
                sys.stdout.buffer.write(b"\x0a" + varint(len(file)) + file)
