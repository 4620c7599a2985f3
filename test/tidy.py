#!/usr/bin/env python3
"""Checks the house rules that a program can check (STYLE: house rules).

    test/tidy.py [ROOT]

Prints each offence as file:line: text, and exits 1 if there is one.
"""

import collections
import os
import re
import shutil
import subprocess
import sys

CODE = ('.cpp', '.hpp')
TEXT = CODE + ('.py', '.json', '.md', '.txt', '.cmake', '.sh', '.in')
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# Names that every folder may have, and test material named after its content.
SHARED_NAMES = {'CMakeLists.txt', 'README.md'}
FORMAT_BATCH = 40
FORMAT_VERSION = 14  # Debian 12's; each one lays out differently


class Offences:
    def __init__(self):
        self.rows = []

    def add(self, path, line, text):
        self.rows.append((path, line, text))

    def report(self):
        for path, line, text in sorted(self.rows):
            print(f'{path}:{line}: {text}')
        return 1 if self.rows else 0


def find_files(root):
    """All source files below `root`, by path from there; no build folders."""
    found = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names
                          if n not in ('build', '__pycache__')
                          and not n.startswith('.'))
        for name in sorted(files):
            found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


def read_text(root, path):
    with open(os.path.join(root, path), encoding='utf-8',
              errors='replace') as file:
        return file.read()


def blank_out(text):
    """C++ text with comments and literals blanked, lines kept."""
    pattern = re.compile(
        r'R"([^()\s\\]{0,16})\(.*?\)\1"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
        r'|//[^\n]*|/\*.*?\*/', re.S)

    def blank(match):
        return re.sub(r'[^\n]', ' ', match.group())

    return pattern.sub(blank, text)


def is_test_material(path):
    """Wrong on purpose, or bytes for a test."""
    return path.startswith('test/') and path.endswith('.json')


def check_text(path, text, out):
    if is_test_material(path):
        return
    for number, line in enumerate(text.split('\n'), 1):
        if line.rstrip('\r') != line.rstrip():
            out.add(path, number, 'blanks at the end of the line')
        if '\t' in line:
            out.add(path, number, 'a tab')
        if '\r' in line:
            out.add(path, number, 'a carriage return')
    if text and not text.endswith('\n'):
        out.add(path, text.count('\n') + 1, 'no newline at the end')
    if path != 'test/tidy.py':
        for match in re.finditer(r'\b(TODO|FIXME|XXX)\b', text):
            out.add(path, line_of(text, match.start()),
                    f'{match.group()}: do it, or file it')


def check_length(path, text, out):
    lines = text.count('\n')
    if lines > FILE_LINES_MAX:
        out.add(path, lines, f'{lines} lines; at most {FILE_LINES_MAX}')


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def check_rooms(path, code, out):
    """A library stays in its room."""
    room = path.split('/')[0]
    if room != 'runtime':
        for match in re.finditer(r'\buv_\w+|<uv\.h>', code):
            # Names of our own may speak of libuv; calls and types may not.
            if re.match(r'uv_\w+\s*[(*&;,)]|<uv', code[match.start():]):
                out.add(path, line_of(code, match.start()),
                        f'{match.group()}: libuv lives in runtime/')
    if room not in ('actors', 'apps', 'test'):
        for match in re.finditer(r'#\s*include\s*[<"]caf/|\bcaf::', code):
            out.add(path, line_of(code, match.start()),
                    'caf lives in actors/, apps/ and test/')


FUNCTION_HEAD = re.compile(
    r'\)\s*(?:const|noexcept(?:\([^()]*\))?|override|final|mutable|&|&&|\s)*'
    r'(?:->\s*[\w:<>,*&\s\[\]]+?)?(?::\s*\w[^;]*?)?$')


def function_bodies(code):
    """Yields (line of the opening brace, lines of the body). A brace opens a
    function if what stands before it, back to the last statement, ends in a
    parameter list; what is inside is looked at as a part of it."""
    stack = []
    start = 0  # where the present statement begins
    inside = 0  # how many open functions
    for i, c in enumerate(code):
        if c == '{':
            head = code[start:i].rstrip()
            is_function = (inside == 0 and FUNCTION_HEAD.search(head[-400:])
                           and not re.match(r'\s*(?:namespace|class|struct|'
                                            r'enum|union)\b', head))
            stack.append((i, bool(is_function)))
            inside += bool(is_function)
            start = i + 1
        elif c == '}':
            if stack:
                begin, was_function = stack.pop()
                if was_function:
                    inside -= 1
                    first = line_of(code, begin)
                    yield first, line_of(code, i) - first + 1
            start = i + 1
        elif c == ';':
            start = i + 1


def check_functions(path, code, out):
    # Macros may hold half a function.
    code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*',
                  lambda m: re.sub(r'[^\n]', ' ', m.group()), code, flags=re.M)
    for line, length in function_bodies(code):
        if length > FUNCTION_LINES_MAX:
            out.add(path, line, f'a function of {length} lines; at most '
                                f'{FUNCTION_LINES_MAX}')


def check_python_functions(path, text, out):
    lines = text.split('\n')
    for number, line in enumerate(lines):
        match = re.match(r'( *)(?:async )?def (\w+)', line)
        if not match:
            continue
        end = number + 1
        last = number
        while end < len(lines):
            body = lines[end]
            if body.strip():
                if len(body) - len(body.lstrip()) <= len(match.group(1)) \
                        and not body.lstrip().startswith(')'):
                    break
                last = end
            end += 1
        if last - number + 1 > FUNCTION_LINES_MAX:
            out.add(path, number + 1, f'{match.group(2)}: a function of '
                    f'{last - number + 1} lines; at most {FUNCTION_LINES_MAX}')


def check_header(path, text, out):
    if not re.search(r'^#pragma once$', text, re.M):
        out.add(path, 1, 'no #pragma once')
    if '/include/pm/' in path and not re.search(r'^\s*//', text, re.M):
        out.add(path, 1, 'a public header without a comment')


def check_names(paths, out):
    first = {}
    for path in paths:
        name = os.path.basename(path)
        if name in SHARED_NAMES or is_test_material(path):
            continue
        if name in first:
            out.add(path, 1, f'this name has {first[name]} already')
        first.setdefault(name, path)


def check_membership(root, paths, out):
    """Every .cpp is built, every .hpp included."""
    lists = collections.defaultdict(str)
    for path in paths:
        if os.path.basename(path) == 'CMakeLists.txt':
            lists[os.path.dirname(path)] = read_text(root, path)
    all_lists = '\n'.join(lists.values())
    included = set()
    for path in paths:
        if path.endswith(CODE):
            for match in re.finditer(r'#\s*include\s*[<"]([^>"]+)[>"]',
                                     read_text(root, path)):
                included.add(os.path.basename(match.group(1)))
    for path in paths:
        name = os.path.basename(path)
        if path.endswith('.cpp') and not re.search(
                r'(?<![\w])' + re.escape(name), all_lists):
            stem = os.path.splitext(name)[0]
            loops = re.search(r'foreach', lists[os.path.dirname(path)])
            if not (loops and re.search(r'\b' + re.escape(stem) + r'\b',
                                        lists[os.path.dirname(path)])):
                out.add(path, 1, 'in no CMakeLists.txt')
        if path.endswith('.hpp') and name not in included \
                and name not in all_lists:
            out.add(path, 1, 'included nowhere')


def check_format(root, paths, out):
    program = shutil.which('clang-format')
    version = '' if program is None else subprocess.run(
        [program, '--version'], capture_output=True, text=True,
        check=False).stdout
    if f' version {FORMAT_VERSION}.' not in version:
        print(f'tidy: no clang-format {FORMAT_VERSION} here; the layout is '
              'not checked')
        return
    for i in range(0, len(paths), FORMAT_BATCH):
        done = subprocess.run(
            [program, '--dry-run', '-Werror', *paths[i:i + FORMAT_BATCH]],
            cwd=root, capture_output=True, text=True, check=False)
        seen = set()
        for match in re.finditer(r'^([^:\n]+):(\d+):\d+: error', done.stderr,
                                 re.M):
            if match.group(1) not in seen:  # one a file is enough
                seen.add(match.group(1))
                out.add(match.group(1), int(match.group(2)),
                        'not as clang-format would have it')


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(here)
    out = Offences()
    paths = find_files(root)
    for path in paths:
        if not path.endswith(TEXT):
            continue
        text = read_text(root, path)
        check_text(path, text, out)
        if path.endswith(CODE + ('.py',)):
            check_length(path, text, out)
        if path.endswith('.py'):
            check_python_functions(path, text, out)
        if path.endswith(CODE):
            code = blank_out(text)
            check_rooms(path, re.sub(r'//[^\n]*', '', text), out)
            check_functions(path, code, out)
        if path.endswith('.hpp'):
            check_header(path, text, out)
    code_paths = [p for p in paths if p.endswith(CODE)]
    check_names([p for p in paths if p.endswith(TEXT)], out)
    check_membership(root, paths, out)
    check_format(root, code_paths, out)
    return out.report()


if __name__ == '__main__':
    sys.exit(main())
