# SPDX-License-Identifier: Apache-2.0
"""Test weights in safetensors form."""

from contextlib import suppress
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from r3l_node.core import weights
from r3l_node.core.weights import digest, load, pack, save, unpack, WeightsError
import safetensors.numpy

TENSORS = {
    'w': np.arange(6, dtype=np.float32).reshape(2, 3),
    'n': np.array(7, np.int64),
    'mask': np.array([True, False, True]),
}
METADATA = {'widths': '[2, 3]', 'kind': 'demo'}


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != '__metadata__'),
        st.sampled_from(['f4', 'f8', 'i8', 'u1', '?']).flatmap(
            lambda dtype: hnp.arrays(
                dtype,
                hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
                elements={'allow_nan': False, 'allow_infinity': False}
                if dtype[0] == 'f'
                else None,
            )
        ),
        max_size=5,
    ),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_unpack_is_the_inverse_of_pack(
    tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    data = pack(tensors, metadata)
    read, described = unpack(data)
    assert described == metadata
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array)
    assert pack(read, described) == data


def test_the_library_reads_what_we_write_and_we_read_what_it_writes() -> None:
    theirs = safetensors.numpy.load(pack(TENSORS, METADATA))
    np.testing.assert_array_equal(theirs['w'], TENSORS['w'])
    ours, metadata = unpack(safetensors.numpy.save(TENSORS, METADATA))
    np.testing.assert_array_equal(ours['w'], TENSORS['w'])
    assert metadata == METADATA


def test_a_transposed_array_keeps_its_values() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(unpack(pack({'a': array}, {}))[0]['a'], array)


def test_what_was_read_can_be_written_to() -> None:
    read, _ = unpack(pack(TENSORS, {}))
    read['w'][0, 0] = 5.0


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_both_ways(value: float) -> None:
    bad = {'w': np.array([0.0, value], np.float32)}
    with pytest.raises(WeightsError, match="tensor 'w' holds a value that is not finite"):
        pack(bad, {})
    with pytest.raises(WeightsError, match="tensor 'w' holds a value that is not finite"):
        unpack(safetensors.numpy.save(bad))


def test_an_object_array_is_refused() -> None:
    with pytest.raises(WeightsError, match="tensor 'w' is object"):
        pack({'w': np.array([{}])}, {})


def header(entries: dict[str, object], data: bytes = b'') -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, 'little') + text + data


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'abc',
        (2**63).to_bytes(8, 'little') + b'{}',
        (2).to_bytes(8, 'little') + b'[]',
        (4).to_bytes(8, 'little') + b'{{{{',
        header({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}}),
        header({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 4]}}, bytes(4)),
        header({'w': {'dtype': 'F32', 'shape': [-1], 'data_offsets': [0, 4]}}, bytes(4)),
        header({'w': {'dtype': 'BF16', 'shape': [2], 'data_offsets': [0, 4]}}, bytes(4)),
        header({'w': {'dtype': ['F32'], 'shape': [1], 'data_offsets': [0, 4]}}, bytes(4)),
        header({'w': {'dtype': 'F32', 'shape': [1] * 9, 'data_offsets': [0, 4]}}, bytes(4)),
        header({'w': 3}),
        header({'__metadata__': 3}),
        pack(TENSORS, METADATA)[:-1],
    ],
)
def test_malformed_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(WeightsError) as error:
        unpack(data)
    assert '\n' not in str(error.value)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    whole = bytearray(pack(TENSORS, METADATA))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(WeightsError):
        unpack(whole)


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save(tmp_path / 'w.safetensors', TENSORS, METADATA)
    monkeypatch.setattr(weights, 'MAX_BYTES', 16)
    with pytest.raises(WeightsError, match='expected at most 16'):
        unpack(pack(TENSORS, METADATA))
    with pytest.raises(WeightsError, match='larger than 16 bytes'):
        load(tmp_path / 'w.safetensors')


def test_a_file_is_read_back(tmp_path: Path) -> None:
    save(tmp_path / 'new' / 'w.safetensors', TENSORS, METADATA)
    tensors, metadata = load(tmp_path / 'new' / 'w.safetensors')
    np.testing.assert_array_equal(tensors['w'], TENSORS['w'])
    assert metadata == METADATA


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'absent.safetensors cannot be read'):
        load(tmp_path / 'absent.safetensors')
    (tmp_path / 'broken').write_bytes(b'123')
    with pytest.raises(WeightsError, match='broken: not a safetensors file'):
        load(tmp_path / 'broken')


def test_digest_is_sha256() -> None:
    assert digest(b'').startswith('e3b0c44298fc1c14')
