# SPDX-License-Identifier: Apache-2.0
"""
Experiments on Ray, an extra: ``requirements/ray.txt``.

Where Ray is installed, jobs run on a local Ray; where it is not, the command says so.
"""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import signal
import sys
import threading

import pytest
from r3l_bringup.experiment import session
from r3l_bringup.experiment.cluster import Cluster
from r3l_bringup.experiment.description import PlannedRun
from r3l_bringup.experiment.jobs import Job
from r3l_bringup.experiment.session import experiment
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import read_lines

TRAINING = """
import json, os, pathlib, signal, sys
folder, steps, label = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
folder.mkdir(exist_ok=True)
(folder / 'config.yaml').touch()
(folder / 'report.md').touch()
if label == 'endless':
    (folder / 'pid').write_text(str(os.getpid()))
    signal.pause()
if label == 'failing':
    sys.exit('ValueError: it went wrong')
(folder / 'thread').write_text(os.environ['OMP_NUM_THREADS'])
status = {'env_steps': steps, 'steps': steps, 'finished': True, 'wall_s': 1.0}
(folder / 'status.json').write_text(json.dumps(status))
"""

if find_spec('ray') is None:

    def test_without_ray_the_executor_is_a_sentence() -> None:
        with pytest.raises(ConfigError, match=r'pip install -r requirements/ray\.txt'):
            Cluster()

else:

    @pytest.fixture
    def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        script = tmp_path / 'training.py'
        script.write_text(TRAINING, encoding='utf-8')

        def job(run: PlannedRun, out: Path) -> Job:
            arguments = (str(out / run.name), str(run.steps), run.label)
            command = (sys.executable, '-I', '-S', str(script), *arguments)
            log = out / 'logs' / f'{run.name}.log'
            return Job(run.name, command, log, {'OMP_NUM_THREADS': '1'})

        monkeypatch.setattr(session, 'job', job)
        monkeypatch.delenv('RAY_ADDRESS', raising=False)
        return tmp_path / 'two.yaml'

    def run(file: Path, text: str) -> int:
        file.write_text(text, encoding='utf-8')
        return experiment(str(file), file.parent / 'out', None, 'ray', retry=False, table=False)

    @pytest.mark.timeout(180)
    def test_runs_go_through_a_local_ray_and_failures_are_recorded(file: Path) -> None:
        text = 'seeds: [0, 1]\nsteps: 40\nruns: [{label: failing, seeds: [0]}]'
        assert run(file, text) == 1
        out = file.parent / 'out'
        for seed in (0, 1):
            thread = out / f'valve-modern-none-s{seed}' / 'thread'
            assert thread.read_text(encoding='utf-8') == '1'
        (failure,) = read_lines(out / 'failures.jsonl')
        assert failure['run'] == 'valve-modern-none-failing-s0'
        assert failure['words'] == 'ValueError: it went wrong'
        assert '| modern | 2 |' in (out / 'table.md').read_text(encoding='utf-8')

    @pytest.mark.timeout(180)
    def test_ctrl_c_stops_what_runs_on_ray(file: Path) -> None:
        pid = file.parent / 'out' / 'valve-modern-none-endless-s0' / 'pid'

        def interrupt() -> None:
            while not (pid.exists() and pid.read_text(encoding='utf-8')):
                threading.Event().wait(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        assert run(file, 'label: endless\nsteps: 40') == 128 + signal.SIGINT
        thread.join()
        assert not Path('/proc', pid.read_text(encoding='utf-8')).exists()
        assert not (file.parent / 'out' / 'failures.jsonl').exists()
