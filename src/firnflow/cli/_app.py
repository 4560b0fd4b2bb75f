"""The program `firnflow`: finds the verb, runs it, and turns what goes wrong into a message and an exit code.

A verb is a module of this package whose function `command` Typer turns into a command. Exit codes: 0 all that was asked
for is done, 1 it is not, 2 the call is wrong, 130 and 143 it was stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer
from typer.core import TyperGroup

import firnflow
from firnflow._text import listing, nearest, printable
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

VERBS = (
    *("init", "list", "show", "run", "resume", "cancel", "runs", "logs", "output", "sql", "sources"),
    *("up", "next", "trigger", "pause", "unpause", "backfill", "partitions"),
    *("plan", "apply", "destroy", "image", "emulate"),
    *("models", "data", "features", "label", "send", "clean", "doctor", "exec"),
)

CallError = cast("type[Exception]", typer.BadParameter.__mro__[2])
"""The base of what Typer raises for a wrong call; its name differs between Typer's versions."""

DEBUG = "FIRNFLOW_DEBUG"

_GARBAGE = 150_000
"""New objects between two searches for garbage: Python's own 700 cost a tenth of the time that libraries load."""


class _Verbs(TyperGroup):
    """The verbs, each loaded when it is asked for. A package is a group: its own `VERBS` are the modules in it."""

    package = "firnflow.cli"
    verbs: tuple[str, ...] = VERBS

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.verbs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - likewise
        if cmd_name not in self.verbs:
            return None
        module = importlib.import_module(f"{self.package}.{cmd_name}")
        if hasattr(module, "VERBS"):
            return _group(cmd_name, module)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name)(module.command)
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.verbs and not args[0].startswith("-"):
            what = f"firnflow {self.name} has no verb" if self.verbs is not VERBS else "There is no verb"
            raise UsageError(f"{what} {args[0]!r}.{nearest(args[0], self.verbs)} Known: {listing(self.verbs, 20)}")
        return super().resolve_command(ctx, args)


def _group(name: str, module: ModuleType) -> Any:
    """Return the command that has the modules of a package as its verbs."""

    class Group(_Verbs):
        package = module.__name__
        verbs = module.VERBS

    app = typer.Typer(cls=Group, name=name, help=module.HELP, add_completion=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_help)
    return typer.main.get_command(app)


def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_program = typer.Typer(
    cls=_Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_program.callback(invoke_without_command=True)
def _firnflow(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),  # noqa: FBT003 - Typer's way
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),  # noqa: FBT003
) -> None:
    """Machine-learning pipelines on a data warehouse: typed tasks, written once, run anywhere.

    Begin with `firnflow init`, then `firnflow run`.
    """
    if debug:
        os.environ[DEBUG] = "1"
    if version:
        typer.echo(f"firnflow {firnflow.__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: what stands after `firnflow`; default: what this process was called with.
    """
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)  # a process that ends need not search all modules for garbage, which takes 0.05 s
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character gets a question mark
    command = typer.main.get_command(_program)
    try:
        _check_texts(sys.argv[1:] if arguments is None else arguments)
        result = command.main(args=arguments, prog_name="firnflow", standalone_mode=False)
    except CallError as error:
        return _wrong_call(cast("Any", error))
    except Exception as error:  # noqa: BLE001 - the last frame of the program
        from firnflow.cli._errors import explain

        return explain(error, debug=bool(os.environ.get(DEBUG)))
    finally:
        if (project := sys.modules.get("firnflow.cli._project")) is not None:
            project.opened.close()
    return result if isinstance(result, int) else 0


def _check_texts(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument that no file of ours could hold."""
    for text in arguments:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"The argument {text!r} is no UTF-8 text") from error
        if "\0" in text:
            raise UsageError(f"The argument {text!r} holds a NUL")


def _wrong_call(error: Any) -> int:
    """Say what is wrong in a call that Typer could not read."""
    hint = ""
    name = getattr(error, "option_name", None)
    if name is not None and error.ctx is not None:
        options = [option for each in error.ctx.command.params for option in (*each.opts, *each.secondary_opts)]
        hint = nearest(name, [option for option in options if option.startswith("-")])
    if name == "--debug":
        hint = " It stands before the verb: firnflow --debug VERB."
    error.possibilities = None
    path = error.ctx.command_path if error.ctx is not None else "firnflow"
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # the parser's word before ours
    _write(sys.stderr, f"Error: {message}.{hint} See: {path} --help\n")
    return int(error.exit_code)


def _write(stream: TextIO, text: str) -> None:
    stream.write(printable(text))
    stream.flush()
