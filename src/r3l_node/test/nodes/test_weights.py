# SPDX-License-Identifier: Apache-2.0
"""Test weights messages."""

import numpy as np
import pytest
from r3l_msgs.msg import Weights
from r3l_node.core.weights import pack, WeightsError
from r3l_node.nodes.fields import byte_field
from r3l_node.nodes.weights import read_weights, weights_message
import safetensors.numpy

TENSORS = {'w': np.ones((2, 3), np.float32)}


def message() -> Weights:
    return weights_message('policy', 3, 1000, pack(TENSORS, {'widths': '2'}))


def test_a_message_is_read_back() -> None:
    tensors, metadata = read_weights(message(), 'policy')
    np.testing.assert_array_equal(tensors['w'], TENSORS['w'])
    assert metadata == {'widths': '2'}
    assert (message().version, message().env_steps) == (3, 1000)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'name': 'reward'}, "weights are for 'reward': expected 'policy'"),
        ({'version': 0}, 'policy weights have version 0'),
        ({'sha256': ''}, 'policy weights version 3 do not match their SHA-256'),
        ({'data': byte_field(b'')}, 'policy weights version 3 do not match'),
    ],
)
def test_a_wrong_message_is_refused(change: dict[str, object], sentence: str) -> None:
    weights = message()
    for field, value in change.items():
        setattr(weights, field, value)
    with pytest.raises(WeightsError, match=sentence):
        read_weights(weights, 'policy')


def test_weights_that_are_not_finite_are_refused_though_the_digest_is_right() -> None:
    bad = safetensors.numpy.save({'w': np.array([np.nan], np.float32)})
    with pytest.raises(WeightsError, match="policy weights version 3: tensor 'w' holds"):
        read_weights(weights_message('policy', 3, 0, bad), 'policy')
