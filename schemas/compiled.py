"""Functions that are compiled to machine code when they are first called.

Importing a module with such functions does not import numba, which takes a second: what never calls
one never pays for it. They take numbers, arrays and named tuples of these, and call each other.
"""

import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from dis import get_instructions
from enum import Enum
from functools import cache, update_wrapper
from itertools import filterfalse
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from schemas import compiled_files

F = TypeVar("F", bound=Callable[..., Any])
Scalar = TypeVar("Scalar", bound=np.generic)

_FORM = 3  # of what is kept; another way of compiling raises it
_CONSTANTS = (bool, int, float, str, np.generic, np.dtype, type(None))
_LIBRARIES = ("numpy", "math", "numba")  # their versions are part of each digest


def compiled(function: F) -> F:
    """The same function, compiled for the types of the arguments of each call.

    It must be one of a module, reading only constants, numpy, math, other compiled functions and
    external ones. Integers wrap round, a division by zero gives what IEEE 754 says, floats are
    added up in the order that is written. The interpreter is free for other threads meanwhile.
    """
    assert isinstance(function, FunctionType), f"{function} is not a plain function"
    return cast(F, Compiled(function))


def inlined(function: F) -> F:
    """The same as `compiled`, and written into each function that calls it.

    For what is called from one or two places with many arrays.
    """
    made = Compiled(function)  # type: ignore[arg-type]
    made.targetoptions = {"inline": "always"}
    return cast(F, made)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view that cannot be written to: compiled code of arrays that can be is not that of others,
    and one of the two is enough.
    """
    view = array.view()
    view.flags.writeable = False
    return view


def in_one_piece(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same, and end to end, for the same reason; a copy where it was not."""
    return read_only(np.ascontiguousarray(array))


class Compiled:
    """A function that is compiled when it is first called; `py_func` is what was written.

    targetoptions: what numba asks for where compiled code calls this function.
    """

    targetoptions: Mapping[str, Any] = {}

    def __init__(self, function: FunctionType) -> None:
        update_wrapper(self, function)
        self.py_func = function
        self._dispatcher: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return (self._dispatcher or self.dispatcher)(*arguments)

    @property
    def dispatcher(self) -> Any:
        """numba's own object of this function.

        It is made under numba's lock and no other. A thread that compiles holds that lock, and asks
        for the dispatchers of what is called: a lock of our own around it would be taken in one
        order here and in the other there, and two threads would wait for each other for ever.
        """
        if self._dispatcher is None:
            from numba.core.compiler_lock import global_compiler_lock  # late: see the module

            with global_compiler_lock:
                if self._dispatcher is None:
                    self._dispatcher = self._made()
        return self._dispatcher

    def _made(self) -> Any:
        import numba

        options = {"error_model": "numpy", "fastmath": False, "_nrt": False, **self.targetoptions}
        made = numba.njit(nogil=True, **options)(self.py_func)
        for external in set(_externals(self.py_func, set())):
            external.bind()  # machine code that was kept looks for it when it is loaded
        if not numba.config.DISABLE_JIT:
            made._cache = _Cache(self.py_func)
        return made

    @property
    def _numba_type_(self) -> Any:
        """What numba asks for where compiled code calls this function."""
        return self.dispatcher._numba_type_

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of all that its machine code is made from; see `digest_of`."""
        return digest_of(self.py_func)


class External:
    """A function of numbers that another library has compiled, which Cython code may call, for
    compiled code to call.

    Machine code refers to it by a name that each process binds to the address of its own, for an
    address could not be kept.
    """

    def __init__(self, module: str, name: str, arguments: int) -> None:
        """It takes so many floats, and returns one."""
        self._module, self._name, self._arguments = module, name, arguments
        self.symbol = f"{module}.{name}"

    def bind(self) -> None:
        """Tells the loader of machine code where the function is."""
        from llvmlite import binding
        from numba.extending import get_cython_function_address

        binding.add_symbol(self.symbol, get_cython_function_address(self._module, self._name))

    @property
    def _numba_type_(self) -> Any:
        """What numba asks for where compiled code calls this function; equal at each call."""
        from numba import types

        # Cython adds an argument: whether a Python method may override the function.
        arguments = (*(types.float64,) * self._arguments, types.int32)
        return types.ExternalFunction(self.symbol, types.float64(*arguments))

    def __call__(self, *arguments: float) -> float:
        raise TypeError(f"{self.symbol} can be called in compiled code only")


def digest_of(function: FunctionType) -> str:
    """Sixteen hexadecimal digits of a function's bytecode, of that of each function it calls, of
    every constant they read, and of the versions of Python, numpy and numba.

    Raises TypeError where a function reads what is no constant, such as a list.
    """
    import numba

    versions = f"{_FORM} {sys.version} {np.__version__} {numba.__version__}"
    text = "\n".join([versions, *_ingredients(function, set())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ingredients(function: FunctionType, met: set[FunctionType]) -> Iterator[str]:
    if function in met:
        return
    met.add(function)
    assert function.__closure__ is None, f"{function.__qualname__} is not a function of a module"
    yield f"{function.__module__}.{function.__qualname__} {function.__defaults__!r}"
    for code in _codes(function.__code__):
        yield code.co_code.hex()
        yield repr((code.co_names, code.co_varnames, [*filterfalse(_is_code, code.co_consts)]))
        for name in _globals_read(code, function.__globals__):
            value = function.__globals__[name]
            if isinstance(value, Compiled):
                yield f"{name}, {value.targetoptions}"
                yield from _ingredients(value.py_func, met)
            else:
                yield f"{name} = {_constant(function, name, value)}"


def _externals(function: FunctionType, met: set[FunctionType]) -> Iterator[External]:
    met.add(function)
    names = [name for code in _codes(function.__code__) for name in code.co_names]
    for value in (function.__globals__.get(name) for name in names):
        if isinstance(value, External):
            yield value
        elif isinstance(value, Compiled) and value.py_func not in met:
            yield from _externals(value.py_func, met)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _globals_read(code: CodeType, known: Mapping[str, Any]) -> Iterator[str]:
    """The names of a module that code reads; builtins are none."""
    return (name for name in _names_read(code) if name in known)


@cache
def _names_read(code: CodeType) -> tuple[str, ...]:
    """Each global name that code reads, once; most code is part of several functions' digests."""
    read = (each.argval for each in get_instructions(code) if each.opname == "LOAD_GLOBAL")
    return tuple(dict.fromkeys(read))


def _is_code(value: object) -> bool:
    return isinstance(value, CodeType)


def _constant(function: FunctionType, name: str, value: Any) -> str:
    match value:
        case np.ndarray():
            return f"{value.dtype} {value.shape} {value.tobytes().hex()}"
        case tuple():
            return str([_constant(function, name, each) for each in value])
        case ModuleType() if value.__name__.partition(".")[0] in _LIBRARIES:
            return value.__name__
        case type():
            members = [f"{one}={one.value}" for one in value] if issubclass(value, Enum) else ()
            fields = getattr(value, "_fields", members)
            return f"{value.__module__}.{value.__qualname__} {fields}"
        case External():
            return value.symbol
        case BuiltinFunctionType() if value.__module__ in _LIBRARIES:
            return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, _CONSTANTS):
        return repr(value)
    raise TypeError(f"{function.__qualname__} reads {name}, a {type(value).__name__}: no constant")


class _Cache:
    """What numba asks for machine code of one function, a file for each signature.

    numba's own looks only at the function's own file, and two processes that compile at once can
    make its index name the code of another signature.
    """

    def __init__(self, function: FunctionType) -> None:
        self._function = f"{function.__module__}.{function.__qualname__}"
        self._digest = digest_of(function)
        self.cache_path = self._function

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled signature, None where it was not kept."""
        from numba.core.compiler import CompileResult

        target.refresh()
        name = _file_name(signature, target.codegen())
        code = compiled_files.read(self._function, self._digest, name)
        if code is None:
            compiled_files.is_lacking(self._function)
            return None
        try:
            return CompileResult._rebuild(target, *pickle.loads(code))
        except (ImportError, AttributeError):
            return None  # a type in it stood elsewhere when it was kept: it is compiled anew

    def save_overload(self, signature: Any, result: Any) -> None:
        from numba.core.serialize import dumps

        # Code with addresses of this process means nothing to another.
        assert not result.library.has_dynamic_globals, f"{self._function} reads a large array"
        name = _file_name(signature, result.codegen)
        compiled_files.write(self._function, self._digest, name, dumps(result._reduce()))


def _file_name(signature: Any, codegen: Any) -> str:
    """The name for these types of arguments on this kind of processor."""
    from numba.core.sigutils import normalize_signature

    arguments, _ = normalize_signature(signature)
    known_by = [_type_name(argument) for argument in arguments], codegen.magic_tuple()
    return hashlib.sha256(repr(known_by).encode()).hexdigest()[:32]


def _type_name(argument: Any) -> str:
    """What numba calls a type of arguments; of a named tuple its module and its fields as well."""
    of = getattr(argument, "instance_class", None)
    if of is None:
        return repr(argument)
    parts = [_type_name(part) for part in argument.types]
    return f"{of.__module__}.{of.__qualname__} {of._fields} {parts}"
