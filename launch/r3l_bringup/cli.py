# SPDX-License-Identifier: Apache-2.0
"""The ``r3l`` command. What a command needs is imported when it runs: ``--help`` is quick."""

from __future__ import annotations

import os
from pathlib import Path
import sys
from typing import Annotated

from r3l_bringup.bag_cli import add_bag
from r3l_bringup.experiment.command import add_experiment
from r3l_bringup.files_cli import add_files
from r3l_bringup.hand_cli import add_commands
from r3l_bringup.learn_cli import add_learning
from r3l_bringup.paths import names
from r3l_bringup.replay_cli import add_replay
import typer

app = typer.Typer(
    name='r3l',
    help='Reset-free reinforcement learning of a robot hand, over ROS 2.',
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunOption = Annotated[Path, typer.Option('--run', help='Folder of the run.')]
SeedOption = Annotated[int, typer.Option(min=0, help='Seed.')]
TaskOption = Annotated[str, typer.Option(help='Name of the task.')]


@app.command()
def train(
    task: Annotated[str | None, typer.Option(help='What the hand learns [valve].')] = None,
    profile: Annotated[str | None, typer.Option(help='modern or faithful [modern].')] = None,
    ablation: Annotated[
        str | None,
        typer.Option(help=f'Change of one ingredient: {", ".join(names("ablations"))} [none].'),
    ] = None,
    steps: Annotated[int | None, typer.Option(help='Env steps of the run [100000].')] = None,
    seed: Annotated[int | None, typer.Option(help='Seed of the run [0].')] = None,
    run: Annotated[
        Path | None,
        typer.Option(help='Run folder, new or to be continued [runs/<time>_<task>_<seed>].'),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar='RUN', help='Go on where this run stopped.')
    ] = None,
    pace: Annotated[str | None, typer.Option(help='lockstep or realtime [lockstep].')] = None,
    hardware: Annotated[
        str | None,
        typer.Option(help='sim; fake: the driver on an emulated bus; or real [sim].'),
    ] = None,
    driver: Annotated[
        str | None, typer.Option(help='Of a real hand: dynamixel or external [dynamixel].')
    ] = None,
    port: Annotated[str | None, typer.Option(help='Serial device of a real hand.')] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar='FILE', help='Of a real hand, from r3l calibrate.')
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(metavar='BAG_OR_RUN', help='Learn from this experience, too; repeatable.'),
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(metavar='DIR', help='Start from what r3l pretrain wrote.')
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option('--set', help='NODE.PARAM=VALUE; may be repeated; NODE all: every node.'),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help='Look of the simulated hand: primitives or robel [primitives].'),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help='Where networks are trained: cpu or cuda [cpu].')
    ] = None,
    viewer: Annotated[
        bool, typer.Option('--viewer', help='Show the run to Foxglove, on this machine only.')
    ] = False,
    viewer_port: Annotated[
        int, typer.Option(min=1, max=65535, help='TCP port of the viewer.')
    ] = 8765,
    record: Annotated[
        bool, typer.Option('--record/--no-record', help='Whether to keep a bag of the run.')
    ] = True,
    no_ros: Annotated[
        bool, typer.Option('--no-ros', help='In one process, without ROS: the same, faster.')
    ] = False,
) -> None:
    """Train a task; ends with a report in the run folder."""
    from r3l_bringup.config import Request, shortcuts
    from r3l_bringup.train import train as run_training

    if resume is not None:
        from r3l_bringup.resume import resumed

        run, no_ros = resumed(resume, run, no_ros=no_ros)
    options = (task, profile, ablation, seed, pace, hardware, driver, model, device)
    given = any(option is not None for option in options) or bool(sets) or run is None
    request = Request(
        task=task or 'valve',
        profile=profile or 'modern',
        ablation=ablation or 'none',
        steps=steps,
        seed=seed,
        pace=pace,
        hardware=hardware,
        driver=driver,
        port=port,
        calibration=calibration,
        prior=tuple(prior or ()),
        pretrained=pretrained,
        sets=(*shortcuts(model, device, record=record), *(sets or ())),
    )
    if no_ros:
        from r3l_bringup.in_process import train_in_process

        raise typer.Exit(train_in_process(request, run, given, viewer=viewer))
    raise typer.Exit(run_training(request, run, given, viewer=viewer_port if viewer else None))


@app.command()
def evaluate(
    run: RunOption,
    starts: Annotated[int, typer.Option(min=0, help="Number of fixed starts; 0: R3L's.")] = 32,
    seed: SeedOption = 0,
    policy: Annotated[
        str, typer.Option(help='deployed, or a baseline: random, hold, untrained.')
    ] = 'deployed',
    video: Annotated[
        Path | None, typer.Option(metavar='FILE', help='Film every start: .mp4 or .gif.')
    ] = None,
) -> None:
    """Run a policy from fixed starts, without learning; writes a film strip into the run."""
    from r3l_bringup.evaluate import evaluate_run

    evaluate_run(run, policy, starts, seed, video)


@app.command()
def goals(
    out: Annotated[Path, typer.Option(help='Folder to write goal_000.png ... into.')],
    task: TaskOption = 'valve',
    count: Annotated[int, typer.Option(min=1, help='Number of pictures.')] = 250,
    seed: SeedOption = 0,
    size: Annotated[int, typer.Option(min=8, max=1024, help='Side of a picture [px].')] = 32,
    from_topic: Annotated[
        str | None, typer.Option(help='Take them from a camera: an Image topic.')
    ] = None,
    period: Annotated[
        float, typer.Option(min=0.0, help='Least time between two pictures of a topic [s].')
    ] = 0.5,
    from_folder: Annotated[
        Path | None, typer.Option(help='Take them from the pictures of a folder.')
    ] = None,
) -> None:
    """Make goal images: from the simulator, a camera topic or a folder of photos."""
    from r3l_bringup import goals as source
    from r3l_reward.core.goals import from_folder as convert

    if from_topic is not None and from_folder is not None:
        raise typer.BadParameter('--from-topic and --from-folder exclude each other')
    if from_topic is not None:
        written = source.from_topic(from_topic, count, size, period, out)
    elif from_folder is not None:
        written = convert(from_folder, out, size)
    else:
        written = source.from_simulator(task, count, seed, size, out)
    print(f'{written} goal images in {out}')


@app.command()
def bench(
    what: Annotated[
        str, typer.Argument(help='bus, camera, fake, graph, learner, loop, relabel or sim.')
    ],
    json_file: Annotated[
        Path | None, typer.Option('--json', help='Write the figures to this file.')
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help='Time of each measurement [s].')] = 15.0,
    device: Annotated[
        str | None, typer.Option(help='Where networks are trained: cpu or cuda (learner only).')
    ] = None,
    record: Annotated[
        bool, typer.Option('--record', help='What a recorder costs (graph only).')
    ] = False,
) -> None:
    """Measure the speed of a part on this machine."""
    from r3l_bringup.bench import run_bench

    run_bench(what, seconds, json_file, device, record=record)


add_experiment(app)
add_bag(app)
add_files(app)
add_learning(app)
add_commands(app)
add_replay(app)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing and how to mend it."""
    from r3l_bringup.doctor import examine

    raise typer.Exit(0 if examine() else 1)


@app.command(context_settings={'allow_extra_args': True, 'ignore_unknown_options': True})
def test(context: typer.Context) -> None:
    """Run the test suite; options and paths go to pytest."""
    from r3l_bringup.paths import workspace

    root = workspace()
    arguments = list(context.args)
    if not any((root / argument.partition('::')[0]).exists() for argument in arguments):
        folders = [*sorted((root / 'src').glob('*/test')), root / 'launch' / 'test']
        arguments += [str(folder.relative_to(root)) for folder in folders if folder.is_dir()]
    # Several nodes share the cores: threads of one waiting for those of another cost minutes.
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, '-m', 'pytest', *arguments])
