"""Turns picture.ptx into C, one statement an instruction, so that a machine without a GPU runs the very text that a GPU's driver gets."""

import re
import sys

BINARY = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "shr": ">>"}
C_TYPE = {"s32": "int", "u32": "unsigned", "b32": "unsigned", "u8": "unsigned char", "f32": "float", "s64": "long long",
          "u64": "unsigned long long", "pred": "int"}
COMPARE = {"lt": "<", "gt": ">", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="}
# Registers are kept as their bits; each use reads them as the instruction's type.
KEPT = {"pred": "int", "f32": "float", "b32": "unsigned", "b64": "unsigned long long"}
HEAD = """#include <math.h>
#include <string.h>
#pragma STDC FP_CONTRACT OFF
static float toward_zero(double value) {
    float near = (float)value;
    return fabs((double)near) > fabs(value) ? nextafterf(near, 0.0F) : near;
}
static unsigned bits_of(float value) { unsigned bits; memcpy(&bits, &value, 4); return bits; }
static float of_bits(unsigned bits) { float value; memcpy(&value, &bits, 4); return value; }
"""


def operand(text, kind):
    """An operand as a C value of the kind."""
    if text.startswith("0f"):
        return f"of_bits(0x{text[2:]}U)"
    if text.startswith("%") and "." in text:
        return text[1:].replace(".", "_")
    if text.startswith("%"):
        return f"({C_TYPE[kind]}){text[1:]}" if kind != "f32" else text[1:]
    return f"({C_TYPE[kind]}){text}"


def load(to, place):
    """A parameter's bytes into registers."""
    name, _, offset = place.strip("[]").partition("+")
    registers = [register.strip()[1:] for register in to.strip("{}").split(",")]
    return " ".join(f"memcpy(&{register}, (const char*)param{name[-1]} + {int(offset or 0) + 4 * n}, sizeof {register});"
                    for n, register in enumerate(registers))


def value(words, kind, args):
    """The right-hand side of an instruction, by its words and operands."""
    a = [operand(arg, kind) for arg in args]
    op = words[0]
    if op in BINARY and words[1] in ("rz",):
        return f"toward_zero((double){a[0]} {BINARY[op]} (double){a[1]})"
    if op == "mul" and words[1] == "wide":
        return f"(long long){operand(args[0], 's32')} * (long long){operand(args[1], 's32')}"
    if op in BINARY and (kind != "s32" or op == "shr"):
        return f"{a[0]} {BINARY[op]} {a[1]}"
    if op in BINARY:  # as a GPU does it: no overflow is undefined
        return f"(unsigned){a[0]} {BINARY[op]} (unsigned){a[1]}"
    if op == "mad":
        return f"(unsigned){a[0]} * (unsigned){a[1]} + (unsigned){a[2]}"
    if op in ("min", "max"):
        return f"{a[0]} {'<' if op == 'min' else '>'} {a[1]} ? {a[0]} : {a[1]}"
    if op == "div":
        return f"{a[0]} / {a[1]}"
    if op == "rcp":
        return f"1.0F / {a[0]}"
    if op == "selp":
        return f"{args[2][1:]} ? {a[0]} : {a[1]}"
    if op == "setp":
        return f"{a[0]} {COMPARE[words[1]]} {a[1]}"
    if op == "cvta":
        return a[0]
    if op == "cvt":
        rounding = {"rzi": "truncf", "rmi": "floorf"}.get(words[1])
        source = operand(args[0], kind)
        if words[-2:] == ["f32", "s32"]:
            return f"(float){source}"
        if words[-2:] == ["s32", "f32"] and rounding == "truncf":
            return f"(int){source}"
        if words[-2:] == ["f32", "f32"] and rounding:
            return f"{rounding}({source})"
        if words[-2:] == ["s64", "s32"]:
            return f"(long long){source}"
    raise SystemExit(f"unknown instruction: {'.'.join(words)}")


def statement(line):
    """One instruction as C."""
    guard, line = re.match(r"(?:@%(\w+)\s+)?(.*)", line).groups()
    name, _, rest = line.partition(" ")
    words, args = name.split("."), re.findall(r"\{[^}]*\}|\[[^]]*\]|[^,\s]+", rest)
    kind = words[-1]
    if words[0] == "bra":
        body = f"goto {args[0].replace('$', '')};"
    elif words[0] == "ret":
        body = "return;"
    elif words[:2] == ["ld", "param"]:
        body = load(args[0], args[1])
    elif words[:2] == ["ld", "global"]:
        body = f"{args[0][1:]} = *(const {C_TYPE[kind]}*)FOLLOW({args[1][2:-1]});"
    elif words[:2] == ["st", "global"]:
        register, _, offset = args[0].strip("[]").partition("+")
        body = f"*({C_TYPE[kind]}*)FOLLOW({register[1:]} + {offset or 0}) = {operand(args[1], kind)};"
    elif words[0] == "mov":
        to, source = args[0][1:], operand(args[1], kind)
        if kind == "b32" and to.startswith("f"):
            source = f"of_bits({args[1][1:]})"
        elif kind == "b32" and args[1].startswith("%f"):
            source = f"bits_of({args[1][1:]})"
        body = f"{to} = {source};"
    else:
        body = f"{args[0][1:]} = {value(words, kind, args[1:])};"
    return f"if ({guard}) {{ {body} }}" if guard else body


def main():
    text = re.sub(r"//.*", "", open(sys.argv[1]).read())
    body = text[text.index("{") + 1:text.rindex("}")]
    out = [HEAD, "static void arenad_ptx(const void* param0, const void* param1, unsigned ntid_x, unsigned ntid_y, unsigned ctaid_x,",
           "                       unsigned ctaid_y, unsigned tid_x, unsigned tid_y) {"]
    for kept, stem, count in re.findall(r"\.reg \.(\w+)\s+%(\w+)<(\d+)>;", body):
        out.append(f"    {KEPT[kept]} " + ", ".join(f"{stem}{n}" for n in range(int(count))) + ";")
    for line in re.sub(r"\.reg.*", "", body).splitlines():
        line = line.strip().rstrip(";").strip()
        if line.endswith(":"):
            out.append(f"{line[1:]}")
        elif line:
            out.append(f"    {statement(line)}")
    print("\n".join(out), "}", sep="\n")


main()
