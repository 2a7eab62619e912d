"""An ONNX graph that grows node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import WeightsError
from relaytrack.reid.openvino.ir import Layer


class Writer:
    """Collects nodes and constants.

    Attributes:
        nodes: ONNX nodes in order.
        constants: the values that are known, by name; those that nodes use become initializers.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._ranks: dict[str, int] = {}
        self._batched: set[str] = set()

    def constant(self, values: NDArray[Any], name: str) -> str:
        """Keep values under a name like the given one; half and double precision become single."""
        if values.dtype in (np.float16, np.float64):
            values = values.astype(np.float32)
        name = self._free(name)
        self.constants[name] = values
        self._ranks[name] = values.ndim
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output and return that output's name."""
        import onnx

        output = self._free(f"{kind.lower()}_{len(self.nodes)}")
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], **attributes))
        if any(name in self._batched for name in inputs):
            self._batched.add(output)
        self._ranks[output] = max((self._ranks.get(name, 0) for name in inputs), default=0)
        return output

    def state_shape(self, name: str, rank: int) -> None:
        """Say how many axes an output has, as the file states it."""
        self._ranks[name] = rank

    def begin(self, name: str, rank: int) -> None:
        """The network's images: what comes from them has the batch as its first axis."""
        self._ranks[name] = rank
        self._batched.add(name)

    def rank(self, name: str) -> int:
        """How many axes a value has."""
        return self._ranks[name]

    def has_batch(self, name: str) -> bool:
        """Whether a value comes from the images."""
        return name in self._batched

    def constant_of(self, name: str, layer: Layer) -> NDArray[Any]:
        """The value of an input that must be known.

        Raises:
            WeightsError: it is computed from the images.
        """
        if name not in self.constants:
            raise WeightsError(
                f"layer {layer.name!r} of type {layer.kind}: an input is computed; only a constant is supported"
            )
        return self.constants[name]

    @staticmethod
    def type_of(kind: np.dtype[Any]) -> int:
        """ONNX's number of a numpy type."""
        import onnx

        return int(onnx.helper.np_dtype_to_tensor_dtype(kind))

    def initializers(self) -> list[Any]:
        """The constants that nodes use."""
        import onnx

        used = {name for node in self.nodes for name in node.input}
        return [
            onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
            for name, values in self.constants.items()
            if name in used
        ]

    def _free(self, name: str) -> str:
        while name in self._ranks:
            name += "_"
        return name
