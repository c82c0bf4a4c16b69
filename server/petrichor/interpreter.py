"""The LiteRT interpreter of one voice: opened, checked against what the voice file says, and run.

Owned by one renderer process; called by one thread at a time. LiteRT releases Python's lock while it computes, but
not while it loads (1 to 750 ms by size), which is why a renderer loads before it sounds.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from petrichor.errors import VoiceFileError
from petrichor.voice_file import Voice
from petrichor.voice_info import STATE

logger = logging.getLogger(__name__)

MAX_TENSOR_BYTES = 4 << 30  # the published bird at 5 s and 44.1 kHz needs 1.8 GB
MAX_LEVEL = 1.5  # a tanh stays within 1; int8 rounding may go a little beyond
# Arithmetic only: no control flow, no strings, no resources, no custom or flex operators.
ALLOWED_OPERATORS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CAST CEIL
    CONCATENATION CONV_2D COS CUMSUM DELEGATE DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS
    FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH
    L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX
    MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE RANK
    REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT
    SELECT SELECT_V2 SHAPE SIGN SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
    SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK WHERE
    ZEROS_LIKE
    """.split()
)


class Network:
    """A voice's network, ready to run.

    Attributes:
        voice: The voice it came from.
        hops: Of a stream: how many it makes at one go.
        inputs: Tensor name → shape. All tensors are float32.
    """

    def __init__(self, voice: Voice, hops: int = 1) -> None:
        """Open a network of `voice` on one thread and compare it with `voice.info`.

        Args:
            voice: The voice.
            hops: 1, or `voice.info.hops`: which of its networks.

        Raises:
            VoiceFileError: Where it cannot be opened, holds operators beyond arithmetic, or has other tensors.
        """
        self.voice, self.hops = voice, hops
        self.inputs, outputs = voice.info.at_one_go(hops)
        self._given: dict[str, np.ndarray] = {}
        try:
            self._interpreter = Interpreter(model_content=voice.generator if hops == 1 else voice.hops, num_threads=1)
            self._inputs, self._outputs = self._signature()
            self._check_operators()
            self._check_sizes()
            self._interpreter.allocate_tensors()
            self._check_tensors("input", self._inputs, self.inputs)
            self._check_tensors("output", self._outputs, outputs)
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            what = "network" if hops == 1 else f"network of {hops} hops"
            raise VoiceFileError(voice.path, f"{what}: {error}") from error
        # The calls beneath LiteRT's Python, whose checks for views of tensors (there are none) took 8 us of a hop's 60.
        calls = self._interpreter._interpreter
        self._set, self._invoke, self._get = calls.SetTensor, calls.Invoke, calls.GetTensor

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network once.

        Args:
            inputs: Tensor name → float32 array of the shape that `inputs` gives. The array last given under
                a name is not copied again, for LiteRT keeps inputs: hand in another instead of writing into it.

        Returns:
            Tensor name → float32 array, a copy of its own.
        """
        given, get = self._given, self._get
        for name, array in inputs.items():
            if given.get(name) is not array:
                self._set(self._inputs[name], array, 0)
                given[name] = array
        self._invoke()
        return {name: get(index, 0) for name, index in self._outputs.items()}

    def verify(self) -> None:
        """Run once from the middle of the latent space and look at what comes out.

        Raises:
            VoiceFileError: Where the network fails, or makes values that are not finite or far from their range.
        """
        silence = {name: np.zeros(shape, np.float32) for name, shape in self.inputs.items()}
        try:
            outputs = self(silence)
        except (ValueError, RuntimeError) as error:
            raise VoiceFileError(self.voice.path, f"network: {error}") from error
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise VoiceFileError(self.voice.path, f"network: output {name} is not finite")
            peak = float(np.abs(array).max(initial=0.0))
            if peak > MAX_LEVEL and not name.startswith(STATE):
                raise VoiceFileError(self.voice.path, f"network: output {name} reaches {peak:.3g}, expected 1")

    def _signature(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the tensor indices of the inputs and outputs of the one signature, by name."""
        signatures = self._interpreter._get_full_signature_list()
        expected = self.voice.info.signature
        if list(signatures) != [expected]:
            raise ValueError(f"signatures are {sorted(signatures)}, expected only {expected!r}")
        return dict(signatures[expected]["inputs"]), dict(signatures[expected]["outputs"])

    def _check_operators(self) -> None:
        operators = {detail["op_name"] for detail in self._interpreter._get_ops_details()}
        strange = sorted(operators - ALLOWED_OPERATORS)
        if strange:
            raise ValueError(f"operators {strange} are not allowed")

    def _check_sizes(self) -> None:
        """Refuse tensors of absurd claimed size before anything is allocated."""
        total = 0
        for detail in self._interpreter.get_tensor_details():
            total += math.prod(int(n) for n in detail["shape"]) * np.dtype(detail["dtype"]).itemsize
        if total > MAX_TENSOR_BYTES:
            raise ValueError(f"tensors need {total} bytes, at most {MAX_TENSOR_BYTES} allowed")

    def _check_tensors(self, what: str, indices: Mapping[str, int], expected: Mapping[str, tuple[int, ...]]) -> None:
        if set(indices) != set(expected):
            raise ValueError(f"{what}s are {sorted(indices)}, expected {sorted(expected)}")
        for name, index in indices.items():
            detail = self._interpreter._get_tensor_details(index, 0)
            shape = tuple(int(n) for n in detail["shape"])
            if shape != tuple(expected[name]) or detail["dtype"] is not np.float32:
                kind = np.dtype(detail["dtype"]).name
                raise ValueError(f"{what} {name} is {kind} {list(shape)}, expected float32 {list(expected[name])}")
