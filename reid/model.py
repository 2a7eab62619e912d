"""The re-identification network: backbone, attention after chosen stages, head.

A `ModelSpec` says everything that shapes the network; it is stored with the weights, so a weight file alone is
enough to build it again.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from relaytrack.reid.attention.factory import create_attention
from relaytrack.reid.attention.rga import RelationAwareGlobalAttention
from relaytrack.reid.attention.rga_deployed import DeployedRelationAwareGlobalAttention
from relaytrack.reid.backbones.factory import create_backbone
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead
from relaytrack.reid.errors import ReidError
from relaytrack.reid.folding import fold_batch_norms
from relaytrack.reid.heads import BNNeckHead, HeadOutput
from relaytrack.reid.stripes import StripesHead


@dataclasses.dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a network is made of.

    Attributes:
        backbone: a name of `relaytrack.reid.backbones.factory.NAMES`.
        attention: a name of `relaytrack.reid.attention.factory.KINDS`.
        attention_stages: 1-based stages of the backbone that an attention follows.
        attention_ratios: (cha_ratio, spa_ratio, down_ratio) of RGA.
        height: input height, pixels.
        width: input width, pixels.
        last_stride: stride of the backbone's last down-sampling.
        embedding_dim: length of the embedding; None: the backbone's own width.
        pooling: "gap" (mean) or "gem" (generalised mean, exponent learned).
        neck: batch norm between the embedding and the classifier.
        feature: the test-time embedding, "post" or "pre" that batch norm, or "relu" (positive part, after it).
        head: "bnneck"; "depthwise" (a weight per channel and place, see `relaytrack.reid.depthwise_head`; pooling,
            neck and feature have no meaning there); or "stripes" (six stripes with deep supervision, see
            `relaytrack.reid.stripes`; embedding_dim has no meaning there either).
        parts: parts of the embedding with the depthwise head, each of length 1.
    """

    backbone: str = "mobilenet_v2"
    attention: str = "none"
    attention_stages: tuple[int, ...] = (1, 2, 3, 4)
    attention_ratios: tuple[int, int, int] = (8, 8, 8)
    height: int = 256
    width: int = 128
    last_stride: int = 1
    embedding_dim: int | None = None
    pooling: str = "gap"
    neck: bool = True
    feature: str = "post"
    head: str = "bnneck"
    parts: int = 1

    def __post_init__(self) -> None:
        if self.pooling not in ("gap", "gem"):
            raise ReidError(f"unknown pooling {self.pooling!r}: choose one of gap, gem")
        if self.feature not in ("pre", "post", "relu"):
            raise ReidError(f"unknown feature {self.feature!r}: choose one of pre, post, relu")
        if self.head not in ("bnneck", "depthwise", "stripes"):
            raise ReidError(f"unknown head {self.head!r}: choose one of bnneck, depthwise, stripes")
        if self.head == "depthwise" and (self.parts < 1 or (self.embedding_dim or 0) % self.parts):
            raise ReidError(f"embedding_dim must be a multiple of parts ({self.parts}), not {self.embedding_dim}")
        if self.height < 32 or self.width < 32:
            raise ReidError(f"input of {self.height} x {self.width} pixels is too small: at least 32 x 32")

    def to_dict(self) -> dict[str, Any]:
        """A plain dict for JSON or YAML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """The inverse of `to_dict`; missing keys keep their defaults.

        Raises:
            ReidError: a key that no spec has.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                raise ReidError(f"unknown model key {key!r}: choose among {', '.join(sorted(known))}")
        made = dict(values)
        for key in ("attention_stages", "attention_ratios"):
            if key in made:
                made[key] = tuple(int(value) for value in made[key])
        return cls(**made)


PRESETS: dict[str, ModelSpec] = {
    "default": ModelSpec(
        backbone="osnet_in_x0_75",
        attention="rga_sc",
        attention_stages=(3, 4),
        height=192,
        width=96,
        embedding_dim=512,
        head="depthwise",
        parts=2,
    ),
    "light": ModelSpec(
        backbone="mobilenet_v2_ibn",
        attention="rga_sc",
        attention_stages=(3, 4),
        attention_ratios=(4, 7, 4),
        embedding_dim=512,
        pooling="gem",
    ),
    "rga_sc_resnet50": ModelSpec(backbone="resnet50", attention="rga_sc"),
    "rga_s_resnet50": ModelSpec(backbone="resnet50", attention="rga_s"),
    "rga_c_resnet50": ModelSpec(backbone="resnet50", attention="rga_c"),
    "resnet50": ModelSpec(backbone="resnet50"),
    "pfsa_resnet50": ModelSpec(backbone="resnet50", head="stripes", height=384),
}
"""Ready-made networks; the shipped weights belong to "default". "light" is trained by the recipes light, light_fine."""


class ReidModel(nn.Module):
    """Backbone with attention after chosen stages, and a head (`ModelSpec.head`).

    Args:
        spec: what to build.
        num_classes: identities in training; 0 for a network that only embeds.
    """

    def __init__(self, spec: ModelSpec, num_classes: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.num_classes = num_classes
        self.backbone = create_backbone(spec.backbone, last_stride=spec.last_stride)
        stages = self.backbone.stages
        wrong = [stage for stage in spec.attention_stages if not 1 <= stage <= len(stages)]
        if wrong:
            raise ReidError(f"{spec.backbone} has no stage {wrong[0]}: choose 1 to {len(stages)}")
        self.attention = nn.ModuleDict()
        for number, stage in enumerate(stages, start=1):
            if spec.attention == "none" or number not in spec.attention_stages:
                continue
            self.attention[f"stage{number}"] = create_attention(
                spec.attention,
                stage.channels,
                -(-spec.height // stage.stride),
                -(-spec.width // stage.stride),
                ratios=spec.attention_ratios,
            )
        self.head: BNNeckHead | GlobalDepthwiseHead | StripesHead
        if spec.head == "stripes":
            supervised = [stage.channels for stage in stages[:3]]
            self.head = StripesHead(self.backbone.channels, supervised, num_classes=num_classes)
        elif spec.head == "depthwise":
            self.head = GlobalDepthwiseHead(
                self.backbone.channels,
                spec.height // stages[-1].stride,
                spec.width // stages[-1].stride,
                embedding_dim=spec.embedding_dim or self.backbone.channels,
                parts=spec.parts,
                num_classes=num_classes,
            )
        else:
            self.head = BNNeckHead(
                self.backbone.channels,
                embedding_dim=spec.embedding_dim,
                num_classes=num_classes,
                pooling=spec.pooling,
                neck=spec.neck,
                feature=spec.feature,
            )

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.head.dim

    def stage(self, index: int, x: Tensor) -> Tensor:
        """One stage (0 is the first and takes the images) and its attention."""
        x = self.backbone.blocks()[index](x)
        name = f"stage{index + 1}"
        return self.attention[name](x) if name in self.attention else x

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """The map after each stage, of ImageNet-normalised RGB images (B, 3, height, width)."""
        maps = [self.stage(0, images)]
        for index in range(1, len(self.backbone.stages)):
            maps.append(self.stage(index, maps[-1]))
        return maps

    def feature_map(self, images: Tensor) -> Tensor:
        """The final map (B, C, h, w); no earlier map is kept."""
        x = images
        for number in range(len(self.backbone.stages)):
            x = self.stage(number, x)
        return self.backbone.tail()(x)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor | HeadOutput:
        """Embed ImageNet-normalised RGB images (B, 3, height, width).

        Returns:
            In training mode the three of `relaytrack.reid.heads.HeadOutput`: the feature for the triplet loss (B, D),
            logits (B, classes), or (B, parts, classes) with the stripes head, and the embedding (B, D); in eval mode
            the embedding alone, not normalised.
        """
        if not self.training:
            return self.head.embed(self.feature_map(images))
        if not isinstance(self.head, StripesHead):
            return self.head(self.feature_map(images))  # type: ignore[no-any-return]
        maps = self.stage_maps(images)
        return self.head(self.backbone.tail()(maps[-1]), maps)  # type: ignore[no-any-return]

    def deploy(self) -> ReidModel:
        """A copy for inference: batch norms folded, RGA's embeddings as one product, no classifier.

        The function is the same up to rounding; the trained weights stay as they are. The copy cannot be
        trained.
        """
        model = copy.deepcopy(self).eval().requires_grad_(False)
        fold_batch_norms(model.backbone)
        for name, attention in model.attention.items():
            if isinstance(attention, RelationAwareGlobalAttention):
                model.attention[name] = DeployedRelationAwareGlobalAttention(attention)
        model.head.fold()
        return model


def build_model(spec: ModelSpec | str, num_classes: int = 0) -> ReidModel:
    """Build a network with random weights from a spec or a preset's name.

    Raises:
        ReidError: no such preset, backbone or attention, or a stage that the backbone does not have.
    """
    if isinstance(spec, str):
        if spec not in PRESETS:
            raise ReidError(f"unknown model {spec!r}: choose one of {', '.join(PRESETS)}")
        spec = PRESETS[spec]
    return ReidModel(spec, num_classes)
