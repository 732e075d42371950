"""The arguments of ``localpair-lab``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from localpair_lab.cli import generate, inspect, maintenance, rebuild, standing
from localpair_lab.cli import run as play
from localpair_lab.cli.compare import compare
from localpair_lab.cli.demo import demo
from localpair_lab.cli.output import complain, talk
from localpair_lab.engines import registry
from localpair_lab.errors import LabError
from localpair_lab.faults.drawing import TIMEOUT
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.model.words.markers import MARKERS
from localpair_lab.numbers import natural, positive
from localpair_lab.paths import OWN, PRODUCT_HELP

SCENARIOS_HELP = "files, folders, themes (flow) or names (flat, flow/flat); none: all"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0: good; 1: a scenario failed or a file has problems; 2: usage; 3: the lab's own
    fault.
    """
    options = parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except LabError as error:
        return complain(error)
    except ScenarioError as error:
        for problem in error.problems:
            talk(problem.told(Path.cwd()))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="localpair-lab", description="Scenarios of hostile networks, played for real."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_looking(commands)
    _add_playing(commands)
    _add_standing(commands)
    _add_generating(commands)
    _add_rebuilding(commands)
    _add(commands, "doctor", maintenance.doctor, "what this machine can play, and what mends each gap")
    collect = _add(commands, "gc", maintenance.gc, "remove what dead labs have left behind")
    collect.add_argument("--docker-host", action="append", default=[], metavar="URL")
    return top


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=(run.__doc__ or text).strip())
    command.set_defaults(run=run)
    return command


def _add_looking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = _add(commands, "list", inspect.list_scenarios, "the scenarios there are")
    listing.add_argument("scenarios", nargs="*", help=SCENARIOS_HELP)
    listing.add_argument("--marker", choices=sorted(MARKERS))
    listing.add_argument("--long", action="store_true", help="with markers and references")
    validating = _add(commands, "validate", inspect.validate, "find mistakes in scenario files")
    validating.add_argument("scenarios", nargs="*", help=SCENARIOS_HELP)
    validating.add_argument("--schema", action="store_true", help="write scenario.schema.json, too")
    drawing = _add(commands, "graph", inspect.graph, "draw a scenario")
    drawing.add_argument("--mermaid", action="store_true", help="Mermaid text in place of SVG")
    explaining = _add(commands, "explain", inspect.explain, "what the oracle says of scenarios")
    explaining.add_argument("scenarios", nargs="+", metavar="scenario", help=SCENARIOS_HELP.partition(";")[0])
    explaining.add_argument("--cell", default="", help="a cell of its matrix (default: the first)")
    rendering = _add(commands, "render", inspect.render, "write a scenario as a Compose project")
    for one in (drawing, rendering):
        _add_scenario(one)
        one.add_argument("-o", "--output", metavar="PATH", help="where to write it")


def _add_playing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    running = _add(commands, "run", play.run, "play scenarios")
    running.add_argument("scenarios", nargs="*", help=SCENARIOS_HELP)
    running.add_argument("--cell", default="", help="only this cell of the matrix")
    running.add_argument("--keep", action="store_true", help="keep artifacts and captures")
    running.add_argument(
        "--html", default="", metavar="PATH",
        help="a page of the run: FILE.html, or a folder for several and an index.html that leads to them",
    )  # fmt: skip
    running.add_argument(
        "--trace", action="store_true",
        help="what each localpair does on the network, in the timeline; it is kept",
    )  # fmt: skip
    running.add_argument("--product", default=OWN, metavar="ADAPTER", help=PRODUCT_HELP)
    showing = _add(commands, "demo", demo, "play one scenario and tell what happened, with a picture")
    showing.add_argument("scenario", nargs="?", default="flow/showcase")
    showing.add_argument("--cell", default="")
    showing.add_argument("--engine", choices=registry.wanted(), default="auto")
    holding = _add(commands, "up", standing.up, "build a scenario's network and hold it")
    _add_scenario(holding)
    holding.add_argument("--watch", action="store_true", help="serve its page live, on loopback")
    holding.add_argument("--port", type=natural, default=0, help="where --watch serves it (a free one)")
    comparing = _add(commands, "compare", compare, "play scenarios with several programs, as a table")
    comparing.add_argument("scenarios", nargs="*", help=SCENARIOS_HELP)
    comparing.add_argument(
        "--product", action="append", metavar="ADAPTER", help=f"{PRODUCT_HELP}; none: all of the library"
    )
    comparing.add_argument("--repeat", type=_positive, default=3, metavar="N", help="play each N times (3)")
    comparing.add_argument(
        "--every", type=_positive, default=1, metavar="N", help="of all scenarios each Nth, as a sample (1)"
    )
    comparing.add_argument("-o", "--output", metavar="FILE", help="where to write the table (stdout)")
    comparing.add_argument("--html", metavar="FILE", help="a page with a heat map, too")
    comparing.add_argument("--cells", choices=["one", "all"], default="one", help="of each matrix (one)")
    comparing.add_argument(
        "--jobs", type=_positive, metavar="N", help="play N at once (what the machine carries)"
    )
    comparing.set_defaults(words=list(sys.argv[1:]))
    for one in (running, holding, comparing):
        one.add_argument("--engine", choices=registry.wanted(), default="auto")
        for option in registry.options():
            one.add_argument(f"--{option.name}", **option.as_argument())
    comparing.set_defaults(engine="namespace")  # where the programs of this machine are


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a number above 0")
    return int(text)


def _add_standing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    entering = _add(commands, "shell", standing.shell, "a shell in a device of the network that stands")
    entering.add_argument("device")
    entering.add_argument("command", nargs=argparse.REMAINDER)
    capturing = _add(commands, "capture", standing.capture, "the captures of the network that stands")
    capturing.add_argument("port", nargs="?", help="such as alice/eth0")
    capturing.add_argument("--follow", action="store_true", help="its packets on stdout, while they come")
    capturing.add_argument("-o", "--output", metavar="FILE", help="where to write it (alice-eth0.pcapng)")
    _add(commands, "down", standing.down, "take the network down that stands")


def _add_generating(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "play topologies drawn from a seed and hold them against the oracle"
    making = _add(commands, "generate", generate.generate, text)
    making.add_argument("--count", type=positive, default=20, metavar="N", help="how many (20)")
    making.add_argument("--seed", type=natural, default=1, metavar="S", help="what they are drawn from (1)")
    making.add_argument(
        "--first", type=natural, default=0, metavar="N", help="the number of the first one (0)"
    )
    making.add_argument(
        "--only", type=natural, nargs="+", metavar="N", help="these numbers of the seed and no others"
    )
    making.add_argument(
        "--jobs",
        type=positive,
        default=generate.default_jobs(),
        metavar="N",
        help="how many plays that pair at once",
    )
    making.add_argument(
        "--faults", type=positive, choices=(1, 2), metavar="1|2", help="put so many known faults into each"
    )
    making.add_argument("--timeout", default=TIMEOUT, help="of both sides, with --faults (%(default)s)")
    making.add_argument("--shrink", action="store_true", help="make what disagrees as small as it can be")
    making.add_argument("--write", action="store_true", help="write the files and play nothing")
    making.add_argument("--out", type=Path, default=generate.FOLDER, metavar="DIR", help="where files go")


def _add_rebuilding(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    building = _add(commands, "from-report", rebuild.from_report, "build a scenario from devices' reports")
    building.add_argument(
        "reports", nargs="+", metavar="report",
        help="a code (LR:...), a file of `localpair diagnose --output`, or the events of a run with --json",
    )  # fmt: skip
    building.add_argument("-o", "--output", required=True, metavar="FILE", help="the scenario file to write")
    reducing = _add(
        commands, "minimise", rebuild.minimise, "leave out what a scenario's failure does not need"
    )
    _add_scenario(reducing)
    reducing.add_argument("-o", "--output", metavar="FILE", help="where to write it (stdout)")
    reducing.add_argument("--jobs", type=positive, default=4, metavar="N", help="how many plays at once (4)")


def _add_scenario(command: argparse.ArgumentParser) -> None:
    command.add_argument("scenario", help="a file or a name such as flow/flat")
    command.add_argument("--cell", default="", help="a cell of its matrix (default: the first)")
