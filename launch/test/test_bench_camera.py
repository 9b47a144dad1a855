# SPDX-License-Identifier: Apache-2.0
"""The bench of the camera runs its graph and gives figures that fit together."""

import json
from pathlib import Path

import pytest
from r3l_bringup.bench import run_bench


@pytest.mark.timeout(300)
def test_latency_is_measured_through_both_nodes(tmp_path: Path) -> None:
    figures = run_bench('camera', 0.5, tmp_path / 'camera.json')
    assert figures['latents'] >= 2
    assert 0.0 < figures['latency_p50_ms'] <= figures['latency_p99_ms']
    assert figures['latents_per_second'] > 0.0
    assert figures['ratio'] > 0.0
    assert json.loads((tmp_path / 'camera.json').read_text()) == figures
