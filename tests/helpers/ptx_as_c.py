"""The PTX of a kernel as C, thread by thread, with every access to memory checked: for fake_gpu.py."""

import itertools
import re

PROLOGUE = """
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
typedef union {
  int8_t s8; uint8_t u8; int16_t s16; uint16_t u16; int32_t s32; uint32_t u32; int64_t s64; uint64_t u64;
  float f32; double f64; int pred;
} R;
static double D(uint64_t x) { return ((R){.u64 = x}).f64; }
static float F(uint32_t x) { return ((R){.u32 = x}).f32; }
static unsigned tid, ntid, ctaid, nctaid;
static int (*range)(const void *, char **, char **), failed;
static char *low[SITES], *high[SITES];
static char nowhere[64];
static void *A(int site, uint64_t at, int n) {  // the memory that an instruction may touch
  if (at % n) failed = 1;
  if ((char *)at < low[site] || (char *)at + n > high[site])
    if (!range((void *)at, &low[site], &high[site]) || (char *)at + n > high[site]) return failed = 1, nowhere;
  return (void *)at;
}
static int within(uint64_t at, int n, char *start, int size) {
  return (char *)at >= start && (char *)at + n <= start + size;
}
"""

EPILOGUE = """
int run(const unsigned *grid, const unsigned *block, void **params, void *ranges) {
  T *threads = malloc(sizeof(T) * block[0]);
  ntid = block[0], nctaid = grid[0], range = ranges, failed = 0;
  memset(low, 0, sizeof low), memset(high, 0, sizeof high);
  for (ctaid = 0; ctaid < nctaid; ctaid++) {
    memset(threads, 0xff, sizeof(T) * ntid);
    for (tid = 0; tid < ntid; tid++) threads[tid].at = 0;
    SHARED
    for (int waiting = 1; waiting;)  // from barrier to barrier
      for (waiting = tid = 0; tid < ntid; tid++)
        if (threads[tid].at >= 0) waiting += (threads[tid].at = ENTRY(&threads[tid], params)) > 0;
  }
  free(threads);
  return failed;
}
"""

BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "xor": "^"}
ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
UNORDERED = {"ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<", "neu": "=="}
C_TYPES = {f"{sign or 's'}{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)}
C_TYPES |= {"f32": "float", "f64": "double", "pred": "int"}


class Translation:
    """The C code of one module with one kernel."""

    def __init__(self, ptx):
        self.sites, self.barriers = itertools.count(), itertools.count(1)
        text = re.sub(r"//.*", "", ptx)
        self.params = []  # bytes of each
        self.shared = re.findall(r"\.shared \.align \d+ \.b8 (\w+)\[(\d+)\];", text)
        constants = re.findall(r"\.global \.align (\d+) \.b8 (\w+)\[(\d+)\] = (\{.*?\});", text)
        functions = re.findall(
            r"(\.entry|\.func)\s+(?:\(\.param \.\w+ (\w+)\)\s*)?(\w+)\s*\(([^()]*)\)\s*\{(.*?)^\}", text, re.S | re.M
        )
        bodies = [self.function(*function) for function in sorted(functions, reverse=True)]  # what is called first
        shared = [f"static _Alignas(16) char {name}[{size}];" for name, size in self.shared]
        poison = "".join(f"memset({name}, 0xff, {size});" for name, size in self.shared)
        (entry,) = (name for kind, _, name, _, _ in functions if kind == ".entry")
        prologue = PROLOGUE.replace("SITES", str(next(self.sites) + 1))
        epilogue = EPILOGUE.replace("SHARED", poison).replace("ENTRY", "f_" + entry)
        tables = [f"static _Alignas({align}) unsigned char {name}[{n}] = {made};" for align, name, n, made in constants]
        self.code = "\n".join([prologue, *tables, *shared, *bodies, epilogue])

    def function(self, kind, returned, name, params, body):
        params = re.findall(r"\.param (?:\.align \d+ )?\.\w(\d+) (\w+)(?:\[(\d+)\])?", params)
        if kind == ".entry":
            self.params = [int(bits) // 8 * int(count or 1) for bits, _, count in params]
        params = [param for _, param, _ in params]
        registers = dict(re.findall(r"^\s*\.reg \.\w+\s+%(\w+)<(\d+)>;", body, re.M))
        type_ = "T" if kind == ".entry" else f"T_{name}"
        fields = "".join(f"R {register}[{count}]; " for register, count in registers.items())
        self.returned = "return -1" if kind == ".entry" else "return"
        self.resumes, self.local = [], ()
        lines = "\n".join(self.lines(body))
        if kind == ".entry":
            begin = f"static int f_{name}(T *t, void **P) {{"
            begin += "".join(f" char *{param} = P[{k}];" for k, param in enumerate(params))
            assert not (self.local and self.resumes), "local memory does not outlive a barrier here"
            begin += f" switch (t->at) {{ {' '.join(f'case {k}: goto B{k};' for k in self.resumes)} }}"
        else:
            arguments = ", ".join(f"char *{param}" for param in ([returned] if returned else []) + params)
            begin = f"static void f_{name}({arguments}) {{ {type_} registers, *t = &registers;"
        return f"typedef struct {{ {fields} int at; }} {type_};\n{begin}\n{lines}\n}}\n"

    def lines(self, body):
        statement = ""
        for line in map(str.strip, body.splitlines()):
            if line in ("{", "}"):
                yield line
            elif line.endswith(":") and not statement:
                yield f"{line[1:]};"
            elif line:
                statement += line + " "
                if line.endswith(";"):
                    yield self.statement(statement.strip(" ;"))
                    statement = ""

    def statement(self, text):
        guard, _, rest = text.partition(" ") if text.startswith("@") else ("", "", text)
        op, *arguments = rest.replace("\t", " ").split(None, 1)
        code = self.instruction(op, arguments[0] if arguments else "")
        if guard:
            code = f"if ({'!' * guard.startswith('@!')}{place(guard.strip('@!'))}.pred) {{ {code} }}"
        return code

    def instruction(self, op, text):
        name, *modifiers = op.split(".")
        kind = modifiers[-1].replace("b", "u") if modifiers else ""
        a = [part.strip() for part in text.split(",")]
        if "v2" in modifiers or "v4" in modifiers:  # numbers side by side, in or out
            (parts,), (at,) = re.findall(r"\{(.*)\}", text), re.findall(r"\[(.*)\]", text)
            rest = ".".join([name, *(modifier for modifier in modifiers if modifier not in ("v2", "v4"))])
            each = [part.strip() for part in parts.split(",")]
            places = [f"[{shifted(at, k * int(kind[1:]) // 8)}]" for k in range(len(each))]
            pairs = zip(each, places) if name == "ld" else zip(places, each)
            return " ".join(self.instruction(rest, ", ".join(pair)) for pair in pairs)
        match name:
            case "":  # a declaration
                declared = text.split()[-1]
                if modifiers[0] == "reg":
                    return f"R {declared.strip('%')};" if "<" not in declared else ""
                if modifiers[0] == "param":
                    return f"char {declared}[8];"
                if modifiers[0] == "local":  # of one thread, which nothing here keeps while it waits
                    self.local = re.fullmatch(r"(\w+)\[(\d+)\]", declared).groups()
                    return f"_Alignas(16) char {declared}; memset({self.local[0]}, 0xff, {self.local[1]});"
                return ""
            case "bra":
                return f"goto {text.strip('$')};"
            case "ret":
                return f"{self.returned};"
            case "call":
                returned, function, given = re.fullmatch(r"(?:\((\w+)\),\s*)?(\w+),\s*\((.*)\)", text).groups()
                return f"f_{function}({', '.join(filter(None, [returned, given]))});"
            case "bar" if "warp" in modifiers:
                return ""
            case "bar":
                self.resumes.append(next(self.barriers))
                return f"return {self.resumes[-1]}; B{self.resumes[-1]}:;"
            case "ld" | "st":
                to, at = (a[0], a[1]) if name == "ld" else (a[1], a[0])
                base, _, offset = at.strip("[]").partition("+")
                base = f"{place(base)}.u64" if base.startswith("%") else f"(uint64_t){base}"
                address, size = f"{base} + {offset or 0}", int(kind[1:]) // 8
                own = f"within({address}, {size}, {', '.join(self.local)})" if self.local else "0"
                if (modifiers[0] == "global" and "nc" not in modifiers) or modifiers == [modifiers[-1]]:
                    generic = f"{own} ? (void *)({address}) : " if modifiers[0] != "global" else ""
                    address = f"{generic}A({next(self.sites)}, {address}, {size})"
                elif modifiers[0] == "local":
                    address = f"{own} ? (void *)({address}) : (failed = 1, (void *)nowhere)"
                elif modifiers[0] == "shared":
                    tests = [f"within({address}, {size}, {name}, {total})" for name, total in self.shared]
                    address = f"({' || '.join(tests)}) ? (void *)({address}) : (failed = 1, (void *)nowhere)"
                memory = f"*({C_TYPES[kind]} *)({address})"
                wide = kind if kind[0] == "f" else f"{kind[0]}64"  # a register may be wider than what is loaded
                return f"{place(to)}.{wide} = {memory};" if name == "ld" else f"{memory} = {value(to, kind)};"
            case "mov" if "{" in text:
                parts = [part.strip(" {}") for part in a]
                if a[0].startswith("{"):
                    halves = (
                        f"{place(part)}.u32 = {place(parts[2])}.u64 >> {32 * k};" for k, part in enumerate(parts[:2])
                    )
                    return " ".join(halves)
                return f"{place(parts[0])}.u64 = {value(parts[1], 'u32')} | (uint64_t){value(parts[2], 'u32')} << 32;"
            case "mov" | "cvta":
                return f"{place(a[0])}.{kind} = {value(a[1], kind)};"
            case "cvt":
                to, source = modifiers[-2], value(a[1], kind)
                if to[0] == kind[0] == "f" and "rzi" in modifiers:
                    source = f"trunc({source})"
                if "rni" in modifiers:
                    source = f"nearbyint({source})"
                if "sat" in modifiers:
                    source = f"{source} > 0 ? {source} < 1 ? {source} : 1 : 0"
                return f"{place(a[0])}.{to} = {source};"
            case "setp":
                x, y, compared = value(a[1], kind), value(a[2], kind), modifiers[0]
                if compared in ("num", "nan"):
                    test = f"{'!' * (compared == 'num')}(isnan({x}) || isnan({y}))"
                else:
                    test = f"{x} {ORDER[compared]} {y}" if compared in ORDER else f"!({x} {UNORDERED[compared]} {y})"
                return f"{place(a[0])}.pred = {test};"
            case "bfi":
                begin, count = (f"{value(part, 'u32')}" for part in a[3:])
                bits = f"(({count} < 64 ? 1UL << {count} : 0) - 1) << {begin}"
                inserted = f"(({value(a[1], kind)} << {begin}) & ({bits}))"
                return f"{place(a[0])}.{kind} = {inserted} | ({value(a[2], kind)} & ~({bits}));"
            case "selp":
                return f"{place(a[0])}.{kind} = {place(a[3])}.pred ? {value(a[1], kind)} : {value(a[2], kind)};"
        x = [value(part, kind) for part in a[1:]]
        f = "f" * (kind == "f32")
        shift = f"{value(a[2], 'u32')}" if name in ("shl", "shr") else ""
        results = {
            "neg": lambda: f"-{x[0]}",
            "not": lambda: f"!{x[0]}" if kind == "pred" else f"~{x[0]}",
            "abs": lambda: f"fabs{f}({x[0]})",
            "copysign": lambda: f"copysign{f}({x[1]}, {x[0]})",
            "ex2": lambda: f"exp2{f}({x[0]})",
            "lg2": lambda: f"log2{f}({x[0]})",
            "sqrt": lambda: f"sqrt{f}({x[0]})",
            "rcp": lambda: f"1 / {x[0]}",
            "fma": lambda: f"fma{f}({x[0]}, {x[1]}, {x[2]})",
            "min": lambda: f"{x[0]} < {x[1]} ? {x[0]} : {x[1]}",
            "max": lambda: f"{x[0]} > {x[1]} ? {x[0]} : {x[1]}",
            "shl": lambda: f"{shift} < {kind[1:]} ? {x[0]} << {shift} : 0",
            "shr": lambda: f"{x[0]} >> ({shift} < {kind[1:]} ? {shift} : {kind[1:]} - 1)",
        }
        if name in results:
            return f"{place(a[0])}.{kind} = {results[name]()};"
        wide = "64" if "wide" in modifiers else kind[1:]
        cast = f"({C_TYPES[kind[0] + wide]})" if "wide" in modifiers else ""
        return f"{place(a[0])}.{kind[0] + wide if wide else kind} = {cast}{x[0]} {BINARY[name]} {x[1]};"


def shifted(at, by):
    base, _, offset = at.partition("+")
    return f"{base}+{int(offset or 0) + by}"


def place(operand):
    """A register."""
    found = re.fullmatch(r"%([a-z]+)(\d+)", operand)
    return f"t->{found[1]}[{found[2]}]" if found else operand.strip("%")


def value(operand, kind):
    """A register, a special register, a constant, or the address of shared memory."""
    if operand in ("%tid.x", "%ntid.x", "%ctaid.x", "%nctaid.x"):
        return operand[1:-2]
    if operand.startswith("%"):
        return f"{place(operand)}.{kind}"
    if re.match(r"0[df]", operand):
        return f"{operand[1].upper()}(0x{operand[2:]})"
    if re.match(r"[A-Za-z_]", operand):
        return f"(uint64_t){operand}"
    return f"({C_TYPES[kind]}){operand}L"
