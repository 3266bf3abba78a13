"""The network: dense 3x3 convolutions, nearly all at stride 8, where a CPU engine runs them at full speed."""

import torch
from torch import nn
from torch.nn import functional as F

KEYPOINT_STRIDE = 4
BODY_STRIDE = 8
# The offsets leave the last convolution in this many model pixels, so that the numbers it learns are near 1.
OFFSET_UNIT = 32.0
# Channels at strides 4, 8, 16, 32 and of the last layers at stride 8.
WIDTHS = (24, 40, 64, 96, 56)


class Conv(nn.Sequential):
    """Convolution, batch norm or a bias, and ReLU unless told otherwise."""

    def __init__(self, cin: int, cout: int, norm: bool, stride: int = 1, relu: bool = True, kernel: int = 3):
        pad = 0 if kernel == stride else kernel // 2
        layers: list[nn.Module] = [nn.Conv2d(cin, cout, kernel, stride, pad, bias=not norm)]
        if norm:
            layers.append(nn.BatchNorm2d(cout))
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Block(nn.Module):
    """Two convolutions around which the input is carried."""

    def __init__(self, width: int, norm: bool):
        super().__init__()
        self.first = Conv(width, width, norm)
        self.second = Conv(width, width, norm, relu=False)

    def forward(self, x):
        return F.relu(x + self.second(self.first(x)))


class Net(nn.Module):
    """A picture (N, 3, H, W), H and W multiples of 32, values 0 to 1, to raw maps.

    `norm` puts batch norm behind each convolution, which a network that starts from nothing needs; one that starts from learnt weights
    does without and trains twice as fast.

    Returns `keypoints` (N, K, H/4, W/4) logits, `centre` (N, 1, H/8, W/8) logits, `offsets` (N, 2K, H/8, W/8) in OFFSET_UNIT
    model pixels (x and y of each keypoint in turn), `identity` (N, I, H/8, W/8) logits (no channel where I is 0) and `parents`
    (N, 2K, H/8, W/8), from where a keypoint is to its parent in the body's tree, in OFFSET_UNIT too.
    """

    def __init__(self, keypoints: int, identities: int, widths: tuple[int, ...] = WIDTHS, norm: bool = False):
        super().__init__()
        w4, w8, w16, w32, last = widths
        self.keypoints, self.identities, self.widths, self.norm = keypoints, identities, tuple(widths), norm
        self.stem = Conv(3, w4, norm, 4, kernel=4)
        self.down8 = nn.Sequential(Conv(w4, w8, norm, 2), Block(w8, norm))
        self.down16 = nn.Sequential(Conv(w8, w16, norm, 2), Block(w16, norm))
        self.down32 = nn.Sequential(Conv(w16, w32, norm, 2), Block(w32, norm))
        self.up16 = Conv(w32, w16, norm, relu=False, kernel=1)
        self.fuse16 = nn.Sequential(Conv(w16, w16, norm), Block(w16, norm))
        self.up8 = Conv(w16, w8, norm, relu=False, kernel=1)
        self.fuse8 = Conv(w8, w8, norm)
        self.trunk = nn.Sequential(Conv(w8, last, norm), Block(last, norm))
        # Four channels a keypoint at stride 8 are its 2x2 cells at stride 4: far cheaper than a convolution at stride 4.
        self.keypoint_head = nn.Conv2d(last, 4 * keypoints, 1)
        self.body_head = nn.Conv2d(last, 1 + 4 * keypoints + identities, 1)
        # Nearly all cells hold nothing: start there.
        nn.init.constant_(self.keypoint_head.bias, -4.0)
        nn.init.constant_(self.body_head.bias[:1], -4.0)

    def forward(self, x) -> dict[str, torch.Tensor]:
        s8 = self.down8(self.stem(x))
        s16 = self.down16(s8)
        s32 = self.down32(s16)
        u16 = self.fuse16(F.relu(s16 + twice(self.up16(s32))))
        u8 = self.trunk(self.fuse8(F.relu(s8 + twice(self.up8(u16)))))
        body = self.body_head(u8)
        return {
            "keypoints": F.pixel_shuffle(self.keypoint_head(u8), 2),
            "centre": body[:, :1],
            "offsets": body[:, 1 : 1 + 2 * self.keypoints],
            "identity": body[:, 1 + 2 * self.keypoints : 1 + 2 * self.keypoints + self.identities],
            "parents": body[:, 1 + 2 * self.keypoints + self.identities :],
        }


def twice(x):
    """Each cell becomes 2x2 equal cells."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Deployed(nn.Module):
    """What is exported: the picture as 0 to 1 RGB in, the heads that the decoder reads out."""

    def __init__(self, net: Net):
        super().__init__()
        self.net = net

    def forward(self, image):
        raw = self.net(image)
        heads = [torch.sigmoid(raw["keypoints"]), torch.sigmoid(raw["centre"]), raw["offsets"] * OFFSET_UNIT]
        heads.append(raw["parents"] * OFFSET_UNIT)
        if self.net.identities:
            heads.append(raw["identity"])
        return tuple(heads)
