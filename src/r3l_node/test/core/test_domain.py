# SPDX-License-Identifier: Apache-2.0
"""Test the reservation of ROS domains."""

from contextlib import ExitStack

import pytest
from r3l_node.core import domain
from r3l_node.core.domain import reserve_domain


def test_two_reservations_differ_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, 'MAX_DOMAIN', 3)
    monkeypatch.setattr(domain, '_FIRST_PORT', 23500)
    with ExitStack() as stack:
        assert {stack.enter_context(reserve_domain()) for _ in range(3)} == {1, 2, 3}
        with pytest.raises(RuntimeError, match='all 3 ROS domains'), reserve_domain():
            pass
    with reserve_domain() as again:
        assert again in {1, 2, 3}
