"""The graphs of imported SLEAP-NN networks: what its preprocessing does to a picture, then its network, as one torch module."""

import torch
import torch.nn.functional as F

GREY = (0.2989, 0.587, 0.114)  # torchvision's weights, which SLEAP-NN uses


class Shrink(torch.nn.Module):
    """Resizes as torchvision does (bilinear, antialiased) by one factor: two products with fixed matrices, or one convolution.

    Both are made of plain operators, which each engine has; `Resize` with antialiasing is not among those.
    """

    def __init__(self, height: int, width: int, scale: float):
        super().__init__()
        self.size = (int(height * scale), int(width * scale))
        self.same = scale == 1.0
        down, across = (rows_of(size, new) for size, new in zip((height, width), self.size))
        step = round(1 / scale)
        self.step = step if step > 1 and step * self.size[0] == height and step * self.size[1] == width else None
        if self.step:
            kernel, self.before = kernel_of(down, step)
            self.kernel = torch.nn.Parameter((kernel[:, None] * kernel[None, :])[None, None], requires_grad=False)
            # At the rim part of the kernel lies outside: what is inside counts more.
            self.taps = len(kernel)
            self.rim = torch.nn.Parameter(1 / (inside(kernel, height, self)[:, None] * inside(kernel, width, self)[None, :]), False)
        else:
            self.down = torch.nn.Parameter(down, requires_grad=False)
            self.across = torch.nn.Parameter(across.T.contiguous(), requires_grad=False)

    def forward(self, x):
        if self.same:
            return x
        if not self.step:
            return self.down @ x @ self.across
        batch, channels, height, width = x.shape
        # Each channel alone: channels take the place of the batch.
        x = x.reshape(batch * channels, 1, height, width)
        after = [self.step * (new - 1) + self.taps - self.before - size for new, size in zip(self.size, (height, width))]
        x = F.conv2d(F.pad(x, (self.before, after[1], self.before, after[0])), self.kernel, stride=self.step)
        return (x * self.rim).reshape(batch, channels, *self.size)


def rows_of(size: int, new: int) -> torch.Tensor:
    """The weights [new, size] by which torchvision mixes `size` rows into `new` ones."""
    eye = torch.eye(size)[None, None]
    return F.interpolate(eye, size=(new, size), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def kernel_of(rows: torch.Tensor, step: int) -> tuple[torch.Tensor, int]:
    """One row's weights without the zeros around them, and how many of them lie before the row's own first cell."""
    middle = len(rows) // 2
    taps = rows[middle].nonzero().flatten()
    return rows[middle, taps[0] : taps[-1] + 1].clone(), step * middle - int(taps[0])


def inside(kernel: torch.Tensor, size: int, shrink: Shrink) -> torch.Tensor:
    """Which part of the kernel lies inside a line of `size` cells, at each of its places."""
    new = size // shrink.step
    after = shrink.step * (new - 1) + len(kernel) - shrink.before - size
    ones = F.pad(torch.ones(1, 1, size), (shrink.before, after))
    return F.conv1d(ones, kernel[None, None], stride=shrink.step)[0, 0]


class Network(torch.nn.Module):
    """A SLEAP-NN network behind its own preprocessing: grey where it wants grey, scaled, padded below and to the right.

    `module` is its Lightning module, of which the plain network is taken: the picture comes as 0 to 1 already.
    """

    def __init__(self, module, height: int, width: int, scale: float, max_stride: int, grey: bool):
        super().__init__()
        self.model = module.model
        self.grey = grey or int(self.model.backbone_config.in_channels) == 1
        self.weights = torch.nn.Parameter(torch.tensor(GREY).reshape(1, 3, 1, 1), requires_grad=False)
        self.shrink = Shrink(height, width, scale)
        self.pad = [-size % max_stride for size in self.shrink.size]

    def forward(self, x):
        if self.grey and x.shape[1] == 3:
            x = F.conv2d(x, self.weights)
        x = self.shrink(x)
        if any(self.pad):
            x = F.pad(x, (0, self.pad[1], 0, self.pad[0]))
        return self.model(x)


class Heads(torch.nn.Module):
    """A network's outputs by the names of its heads, in that order."""

    def __init__(self, network: Network, names: list[str]):
        super().__init__()
        self.network, self.names = network, names

    def forward(self, x):
        heads = self.network(x)
        return tuple(heads[name] for name in self.names)


class TopDown(torch.nn.Module):
    """Finds the animals, cuts each out and looks at the cuttings, all in one graph with fixed shapes.

    Gives the cuttings' confidence maps [n, K, h, w], the centroids [1, 1, n, 3] (x and y in pixels of the picture, score; best
    first) and, where the second network tells classes, their likelihoods [1, 1, n, I].
    """

    def __init__(self, centroid: Network, instance: Network, settings: dict):
        super().__init__()
        self.centroid, self.instance = centroid, instance
        self.animals, self.crop, self.patch = settings["animals"], settings["crop"], settings["patch"]
        self.to_pixels = settings["stride"] / settings["scale"]
        self.classes = settings["classes"]
        span = torch.arange(max(self.patch, 1), dtype=torch.float32) - (max(self.patch, 1) - 1) / 2
        ones = torch.ones_like(span)
        self.moments = torch.nn.Parameter(
            torch.stack([ones[:, None] * span[None, :], span[:, None] * ones[None, :], torch.ones(len(span), len(span))])[:, None],
            requires_grad=False,
        )

    def forward(self, x):
        centroids = self.centroids(self.centroid(x)["CentroidConfmapsHead"])
        # The sum of the weights is near 1; the cuttings are those of the grey picture where their network wants grey.
        if self.instance.grey:
            x = F.conv2d(x, self.instance.weights)
        heads = self.instance(self.cuttings(x, centroids))
        found = (heads["CenteredInstanceConfmapsHead"], centroids.reshape(1, 1, self.animals, 3))
        return found + (heads["ClassVectorsHead"].reshape(1, 1, self.animals, -1),) if self.classes else found

    def centroids(self, maps):
        """The highest peaks of the centroid map, [n, 3]."""
        rows, columns = maps.shape[2:]
        peaks = torch.where(maps == F.max_pool2d(maps, 3, 1, 1), maps, torch.full_like(maps, -1.0))
        score, place = peaks.reshape(-1).topk(self.animals)
        row = torch.div(place, columns, rounding_mode="trunc")
        at = torch.stack([place - row * columns, row], dim=1).to(torch.float32)
        if self.patch:
            moments = F.conv2d(maps, self.moments, padding=self.patch // 2).reshape(3, rows * columns)
            x, y, total = moments.index_select(1, place).unbind(0)
            # As x / total, but 0 where the total is 0.
            inverse = total / (total * total + 1e-20)
            at = at + torch.stack([x * inverse, y * inverse], dim=1)
        return torch.cat([at * self.to_pixels, score[:, None]], dim=1)

    def cuttings(self, x, centroids):
        """Squares around the centroids, [n, C, crop, crop], black where they reach beyond the picture."""
        _, channels, height, width = x.shape
        width_padded, height_padded = width + 2 * self.crop, height + 2 * self.crop
        x = F.pad(x, (self.crop,) * 4).reshape(channels, height_padded * width_padded)
        half = self.crop // 2
        most = torch.tensor([float(width + self.crop), float(height + self.crop)])
        middle = centroids[:, :2] - self.crop / 2 + 0.5 + half
        # A network that went wild may say anything.
        corner = torch.minimum(torch.maximum(middle, torch.zeros(2)), most).to(torch.int64) - half + self.crop
        span = torch.arange(self.crop)
        columns = (corner[:, 0:1] + span).clamp(0, width_padded - 1)
        rows = (corner[:, 1:2] + span).clamp(0, height_padded - 1)
        place = rows[:, :, None] * width_padded + columns[:, None, :]
        found = x.index_select(1, place.reshape(-1))
        return found.reshape(channels, self.animals, self.crop, self.crop).permute(1, 0, 2, 3)
