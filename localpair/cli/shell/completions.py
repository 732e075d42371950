"""The tree of commands as completion for bash, zsh and fish."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localpair.cli.shell.tree import CommandNode, Option, Value

# The names of paired devices, a line each; one that holds a quotation mark or a backslash is left out.
_DEVICES: Final = (
    "localpair devices --json 2>/dev/null"
    r""" | sed -n 's/^{"event": "device".* "name": "\([^"\\]*\)".*/\1/p'"""
)


def bash(root: CommandNode) -> str:
    """For bash 3.2 and newer."""
    return _BASH % {
        "devices": _DEVICES,
        "moves": "\n".join(
            f'      "{" ".join(node.path)}:{child.path[-1]}") at="{" ".join(child.path)}"; n=0; continue ;;'
            for node in root.walk()
            for child in node.children
        ),
        "takers": "|".join(
            f'"{" ".join(node.path)}:{name}"' for node, option in _taking(root) for name in option.names
        ),
        "values": "\n".join(
            f"    {'|'.join(_at(node, name) for name in option.names)}) {_bash_value(option.value)}; return ;;"
            for node, option in _taking(root)
            if option.value is not None
        ),
        "words": "\n".join(
            f'    "{" ".join(node.path)}") words="{" ".join(_words(node))}" ;;' for node in root.walk()
        ),
        "places": "\n".join(
            f'    "{" ".join(node.path)}:"{"*" if value.repeats else place}) {_bash_value(value)} ;;'
            for node in root.walk()
            for place, value in enumerate(node.values)
            if value.kind or value.choices
        ),
    }


def _at(node: CommandNode, name: str) -> str:
    return f'"{" ".join(node.path)}:{name}"'


def _taking(root: CommandNode) -> Iterable[tuple[CommandNode, Option]]:
    return ((node, option) for node in root.walk() for option in node.options if option.value is not None)


def _words(node: CommandNode) -> list[str]:
    return [child.path[-1] for child in node.children] + [
        name for option in node.options for name in option.names
    ]


def _bash_value(value: Value) -> str:
    words = f'_localpair_words "{" ".join(value.choices)}"' if value.choices else ""
    more = {"file": "_localpair_files -f", "folder": "_localpair_files -d", "device": "_localpair_devices"}
    return "; ".join(part for part in (words, more.get(value.kind, "")) if part) or ":"


_BASH: Final = """\
# bash completion for localpair; made by `localpair completion bash`
_localpair_words() {
  COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}
_localpair_files() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")
}
_localpair_devices() {
  local line
  while IFS= read -r line; do
    [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf %%q "$line")")
  done < <(%(devices)s)
}
_localpair() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at="" words="" n=0 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at:${COMP_WORDS[i]}" in
%(moves)s
      %(takers)s) ((i++)) ;;
      *:-?*) ;;
      *) ((n++)) ;;
    esac
  done
  case "$at:$prev" in
%(values)s
  esac
  case "$at" in
%(words)s
  esac
  if [[ $cur == -* || -z $at || $at == devices ]]; then
    _localpair_words "$words"
    return
  fi
  case "$at:$n" in
%(places)s
  esac
}
complete -F _localpair localpair
"""


def zsh(root: CommandNode) -> str:
    """For zsh, as a file ``_localpair`` on its ``fpath``."""
    functions = "\n".join(_zsh_function(node) for node in root.walk())
    return _ZSH % {"devices": _DEVICES, "functions": functions}


def _zsh_function(node: CommandNode) -> str:
    lines = [f"    {_zsh_option(option)} \\" for option in node.options]
    if node.children:
        lines += ["    '1: :->word' \\", "    '*:: :->rest' && return"]
    else:
        for place, value in enumerate(node.values, 1):
            lines.append(
                f"    '{'*' if value.repeats else place}:{_zsh_text(value.name)}:{_zsh_value(value)}' \\"
            )
        lines.append("    && return")
    body = "\n".join(lines)
    name = "_".join(("_localpair", *node.path))
    begin = f"{name}() {{\n  local curcontext=$curcontext state line\n  _arguments -C -s \\\n"
    return f"{begin}{body}\n{_zsh_children(node)}}}"


def _zsh_children(node: CommandNode) -> str:
    if not node.children:
        return ""
    words = " ".join(f"'{child.path[-1]}:{_zsh_text(child.summary)}'" for child in node.children)
    calls = "\n".join(
        f"        {child.path[-1]}) {'_'.join(('_localpair', *child.path))} ;;" for child in node.children
    )
    return (
        f"  case $state in\n    word) local -a found=({words}); _describe command found ;;\n"
        f"    rest)\n      case $words[1] in\n{calls}\n      esac ;;\n  esac\n"
    )


def _zsh_option(option: Option) -> str:
    said = _zsh_text(option.summary)
    value = "" if option.value is None else f":{_zsh_text(option.value.name)}:{_zsh_value(option.value)}"
    specs = [f"'*{name}[{said}]{value}'" for name in option.names]
    return " ".join(specs)


def _zsh_value(value: Value) -> str:
    words = f"({' '.join(value.choices)})" if value.choices else ""
    more = {"file": "_files", "folder": "_files -/", "device": "_localpair_names"}.get(value.kind, "")
    if words and more:
        return f'_alternative "words:word:{words}" "files:file:{more}"'
    return words or more or " "


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


_ZSH: Final = """\
#compdef localpair
# zsh completion for localpair; made by `localpair completion zsh`
_localpair_names() {
  local -a names=("${(@f)$(%(devices)s)}")
  compadd -a names
}
%(functions)s
if [ "$funcstack[1]" = "_localpair" ]; then
  _localpair "$@"
else
  compdef _localpair localpair
fi
"""


def fish(root: CommandNode) -> str:
    """For fish."""
    lines = [
        "# fish completion for localpair; made by `localpair completion fish`",
        "function __localpair_names",
        f"  {_DEVICES}",
        "end",
        "complete -c localpair -f",
    ]
    for node in root.walk():
        lines += _fish_node(node)
    return "\n".join(lines) + "\n"


def _fish_node(node: CommandNode) -> list[str]:
    seen = [f"__fish_seen_subcommand_from {word}" for word in node.path]
    inside = "; and ".join(seen) if seen else "true"
    lines = []
    if node.children:
        names = " ".join(child.path[-1] for child in node.children)
        first = f"{inside}; and not __fish_seen_subcommand_from {names}" if seen else "__fish_use_subcommand"
        lines += [
            f"complete -c localpair -n '{first}' -a {child.path[-1]} -d '{_fish_text(child.summary)}'"
            for child in node.children
        ]
    where = inside if seen else "__fish_use_subcommand"
    for option in node.options:
        names = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
        )
        taken = "" if option.value is None else f" {_fish_taken(option.value)}"
        lines.append(f"complete -c localpair -n '{where}' {names}{taken} -d '{_fish_text(option.summary)}'")
    return lines + [
        f"complete -c localpair -n '{inside}' {_fish_value(value)}"
        for value in node.values
        if value.kind or value.choices
    ]


def _fish_taken(value: Value) -> str:
    """What follows an option: files only where one is meant."""
    return ("-r " if value.kind == "file" else "-x ") + _fish_value(value)


def _fish_value(value: Value) -> str:
    words = list(value.choices) + (["(__localpair_names)"] if value.kind == "device" else [])
    if value.kind == "folder":
        words.append("(__fish_complete_directories)")
    files = "-F " if value.kind == "file" else ""
    return files + (f"-a '{' '.join(words)}'" if words else "")


def _fish_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
