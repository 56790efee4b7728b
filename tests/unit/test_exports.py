"""The public surface is what the public packages say it is, no more and no less."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import paceline
import paceline_adapters
import paceline_integrations

OWN_NEEDS = {"TYPE_CHECKING", "Any", "import_module"}
"""What an `__init__` imports to load some of its names later."""


def public_modules(package: ModuleType) -> list[str]:
    """Name the package and what lies below it, but for what an underscore makes private."""
    found = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [package.__name__, *(name for name in found if "._" not in name)]


CORE = public_modules(paceline)
OUTER = public_modules(paceline_adapters)[1:] + public_modules(paceline_integrations)[1:]


def in_order(names: list[str]) -> list[str]:
    """Sort as ruff does (RUF022): constants, then classes, then the rest."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def public_names(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name not in OWN_NEEDS
    }


@pytest.mark.parametrize("name", CORE)
def test_all_is_sorted_and_names_every_export(name: str) -> None:
    module = importlib.import_module(name)
    exported: list[str] = list(module.__all__)
    for each in exported:
        getattr(module, each)  # some are loaded when first asked for
    assert exported == in_order(exported)
    assert len(exported) == len(set(exported))
    assert set(exported) == public_names(module)


@pytest.mark.parametrize("name", CORE)
def test_classes_call_the_public_package_their_home(name: str) -> None:
    module = importlib.import_module(name)
    homes = {
        public: value.__module__
        for public in module.__all__
        if isinstance(value := getattr(module, public), type) and value.__module__.startswith("paceline")
    }
    assert {public: home for public, home in homes.items() if home not in CORE} == {}


@pytest.mark.parametrize("name", OUTER)
def test_a_module_around_the_core_says_what_it_exports(name: str) -> None:
    module = pytest.importorskip(name, reason=f"{name} needs an extra", exc_type=ImportError)
    exported: list[str] = list(module.__all__)
    assert exported == in_order(exported)
    assert [public for public in exported if not hasattr(module, public)] == []
