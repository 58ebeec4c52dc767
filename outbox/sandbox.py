"""One template compiled where it can do no harm.

A template may say text, values, conditions, one loop at a time and a few filters. Calls, assignments,
arithmetic and inclusion are refused when it is read, so that rendering is bounded by the template's size
times the size of its values; the sandbox stands behind that as a second wall.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Characters of a template's source, and of what it may become.
MAX_SOURCE, MAX_OUTPUT = 20_000, 100_000
_FILTERS = ("default", "d", "e", "escape", "first", "join", "last", "length", "lower", "trim", "upper")
_TESTS = ("defined", "undefined", "none", "in", "eq", "ne", "true", "false")
_NODES = (
    *(
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Const,
        nodes.Name,
        nodes.Getattr,
        nodes.Getitem,
    ),
    *(nodes.If, nodes.CondExpr, nodes.For, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand),
    *(nodes.Concat, nodes.Filter, nodes.Test, nodes.Dict, nodes.Pair, nodes.List, nodes.Tuple),
)


class TemplateFailure(Exception):
    """A template that cannot be read or rendered; names file and line, and no value."""

    def __init__(self, file: str, line: int, detail: str) -> None:
        super().__init__(f"{file}:{line}: {detail}")
        self.file = file
        self.line = line
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Part:
    """One compiled piece of a file, which began `offset` lines below its top."""

    file: str
    template: Template
    offset: int
    reads: Mapping[str, int]
    """The values that it names, wherever it does, with a line of each."""

    def render(self, values: Mapping[str, Any]) -> str:
        """The text; TemplateFailure with the line of what went wrong, or when there is too much of it."""
        try:
            # Without the layer that translates the lines of errors.
            made = "".join(self.template.root_render_func(self.template.new_context(dict(values))))
        except Exception:
            return self._rendered(values)
        return made if len(made) <= MAX_OUTPUT else self._rendered(values)

    def _rendered(self, values: Mapping[str, Any]) -> str:
        size, chunks = 0, []
        try:
            for chunk in self.template.generate(values):
                size += len(chunk)
                if size > MAX_OUTPUT:
                    raise TemplateFailure(
                        self.file, 1 + self.offset, f"gives more than {MAX_OUTPUT} characters"
                    )
                chunks.append(chunk)
        except TemplateFailure:
            raise
        except TemplateError as error:  # undefined names, and what the sandbox forbids
            raise TemplateFailure(self.file, self._line(error), str(error)) from None
        except Exception as error:  # a filter that cannot take its value, whose text may hold the value
            detail = f"cannot be rendered ({type(error).__name__})"
            raise TemplateFailure(self.file, self._line(error), detail) from None
        return "".join(chunks)

    def _line(self, error: BaseException) -> int:
        trace, line = error.__traceback__, 1
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line + self.offset


def _environment(autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=autoescape, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


PLAIN, HTML = _environment(False), _environment(True)


# Parts hold nothing of a rendering. Those that did not change need not be made again at a reload.
@lru_cache(maxsize=512)
def compile_part(environment: ImmutableSandboxedEnvironment, file: str, source: str, offset: int) -> Part:
    """One piece of a template; raises TemplateFailure with what it may not say."""
    if len(source) > MAX_SOURCE:
        raise TemplateFailure(file, 1 + offset, f"is longer than {MAX_SOURCE} characters")
    try:
        tree = environment.parse(source, filename=file)
        _refuse(file, tree.body, offset)
        read = meta.find_undeclared_variables(tree)
        lines = {name.name: name.lineno for name in tree.find_all(nodes.Name)}
        code = environment.compile(tree, filename=file)
    except TemplateSyntaxError as error:
        raise TemplateFailure(file, error.lineno + offset, error.message or "syntax error") from None
    except RecursionError:
        raise TemplateFailure(file, 1 + offset, "nests too deep") from None
    # No globals: a plain mapping, because jinja's own chain of them is walked at every rendering.
    template = Template.from_code(environment, code, {})
    return Part(file, template, offset, {name: lines[name] + offset for name in read})


def _refuse(file: str, body: Iterable[nodes.Node], offset: int, looping: bool = False) -> None:
    for node in body:
        itself = isinstance(node, nodes.Name) and node.name == "self"
        if itself or not isinstance(node, _NODES):
            what = "self" if itself else type(node).__name__.lower()
            raise TemplateFailure(
                file,
                node.lineno + offset,
                f"uses {what}, which templates may not: text, values, if, for, filters",
            )
        inside = looping
        if isinstance(node, nodes.For):
            if looping or node.recursive:
                raise TemplateFailure(file, node.lineno + offset, "has a loop within a loop")
            inside = True
        _refuse(file, node.iter_child_nodes(), offset, inside)
