"""Faults to put into the backends that core ships: what stands there, and what a mistake makes it.

Each is to be caught by some check of the kit. Left out is what only a power failure shows (a missing
fsync) and what changes nothing: what an error is chained from, since core tells its class only, and a
token that is used until the service refuses it, since it is then renewed; a filter of ids that is
wider than the service's own; and what only a service shows that lies.
"""

# ruff: noqa: E501 -- a table of lines of code

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault in a module of a package of ``kms_core.builtin``."""

    package: str
    module: str
    old: str
    new: str


def _file(old: str, new: str, module: str = "storage") -> Mutant:
    return Mutant("file", module, old, new)


def _local(old: str, new: str, module: str = "kek") -> Mutant:
    return Mutant("local", module, old, new)


_OF_NAMES = (
    _file('_PLAIN = frozenset(b"abc', '_PLAIN = frozenset(b"ABCabc', "names"),
    _file('0123456789-_")', '0123456789-_%")', "names"),
    _file('0123456789-_")', '0123456789-_ ")', "names"),
    _file('0123456789-_")', '0123456789-_.")', "names"),
    _file('0123456789-_")', '0123456789-_/")', "names"),
    _file("dek_id.encode())", "dek_id.lower().encode())", "names"),
    _file("dek_id.encode())", "dek_id.strip().encode())", "names"),
    _file("dek_id.encode())", 'dek_id.encode("ascii", "replace"))', "names"),
    _file("dek_id.encode())", "dek_id.encode()[:250])", "names"),
    _file("_PIECE = 200", "_PIECE = 300", "names"),
    _file("if entry.is_dir(follow_symlinks=False)", "if False", "names"),
    _file(
        "yield from walk_names(root, f", "yield from () if name else walk_names(root, f", "names"
    ),
    _file("elif encode_name(dek_id := _decode_name(name)) == name:", "elif name:", "names"),
    _file("                continue\n", "                return\n", "names"),
    _file("unquote(", "str(", "names"),
)
_OF_DISK = (
    _file("os.link(temporary, path)", "os.replace(temporary, path)", "disk"),
    _file("            raise\n    sync_folder", "    sync_folder", "disk"),
    _file("temporary.replace(path)", "temporary.unlink()", "disk"),
    _file("return file.read(limit)", "return file.read()", "disk"),
    _file("return file.read(limit)", "return file.read(limit // 2)", "disk"),
    _file("return file.read(limit)", "return file.read(limit).strip()", "disk"),
    _file("return file.read(limit)", "return file.read(limit).split(b'\\0')[0]", "disk"),
    _file("file.write(data)", "file.write(data[:4096])", "disk"),
    _file("file.write(data)", "file.write(data + b'\\n')", "disk"),
    _file("file.write(data)", "file.write(data.replace(b'\\r\\n', b'\\n'))", "disk"),
    _file("fcntl.flock(descriptor, fcntl.LOCK_EX)", "pass", "disk"),
    _file("fcntl.LOCK_EX", "fcntl.LOCK_SH", "disk"),
    _file("LOCK_EX)\n        yield", "LOCK_EX)\n    yield", "disk"),
)
_OF_STORAGE = (
    _file("raise DekExistsError from None", "pass"),
    _file("raise DekExistsError from None", "raise ConflictError from None"),
    _file("except FileExistsError:", "except FileNotFoundError:"),
    _file("        self._make_folders(path)\n", "        pass\n"),
    _file("            self._make_folders(path)\n", "            pass\n"),
    _file("publish_over(", "publish_new("),
    _file(
        "            publish_over(write_temporary(self._folder, data), path)\n        return _rev",
        "            publish_over(write_temporary(self._folder, data), path)\n        return 'r' + _rev",
    ),
    _file("        return _revision(data)\n", "        return ''\n"),
    _file("path.unlink()", "pass"),
    _file("path.unlink()", "[p.unlink() for p in self._folder.glob('dek-*.json')]"),
    _file("!= revision:", "== '':"),
    _file("                raise ConflictError\n", "                raise DekNotFoundError\n"),
    _file("                raise ConflictError\n", "                raise DekExistsError\n"),
    _file("raise DekNotFoundError from None", "raise ConflictError from None"),
    _file("raise DekNotFoundError from None", "return StoredRecord(b'', '')"),
    _file("if i.startswith(prefix)", "if prefix in i"),
    _file("if i.startswith(prefix)", "if i.lower().startswith(prefix.lower())"),
    _file("if i.startswith(prefix)", "if True"),
    _file("if i.startswith(prefix)", "if i > prefix"),
    _file("StorageInfo(str(self._folder))", "StorageInfo('')"),
    _file("StorageInfo(str(self._folder))", "StorageInfo(str(id(self)))"),
    _file("hashlib.sha256(data).hexdigest()", "str(len(data))"),
    _file("hashlib.sha256(data).hexdigest()", "'1'"),
    _file("hashlib.sha256(data).hexdigest()", "str(id(data))"),
    _file("with translate_os_errors(), self._finding()", "with self._finding()"),
    _file(", lock_named(self._path(dek_id))", ""),
    _file("MAX_RECORD_SIZE + 1", "MAX_RECORD_SIZE"),
    _file("MAX_RECORD_SIZE + 1", "10 * MAX_RECORD_SIZE"),
    _file("    @hookimpl\n    def close", "    def close"),
)
_OF_KEK = (
    _local("os.urandom(_NONCE_SIZE)", "bytes(_NONCE_SIZE)"),
    _local("os.urandom(_NONCE_SIZE)", "encode_context(context)[-_NONCE_SIZE:]"),
    _local("os.urandom(_NONCE_SIZE)", "file.keys['1'][:_NONCE_SIZE]"),
    _local("encrypt(nonce, dek, encode_context(context))", "encrypt(nonce, dek, None)"),
    _local("encode_context(context))\n        return Wr", "b'')\n        return Wr"),
    _local("decrypt(nonce, sealed, encode_context(context))", "decrypt(nonce, sealed, None)"),
    _local("encode_context(context)", "context.get('dek_id', '').encode()"),
    _local("encode_context(context)", "repr(context).encode()"),
    _local("encode_context(context)", "str(sorted(context.values())).encode()"),
    _local(
        "encode_context(context)", "','.join(f'{k}={context[k]}' for k in sorted(context)).encode()"
    ),
    _local("encode_context(context)", "encode_context(context).lower()"),
    _local("encode_context(context)", "encode_context(context)[:64]"),
    _local("encode_context(context)", "str(len(context)).encode()"),
    _local("encrypt(nonce, dek, ", "encrypt(nonce, dek[:32], "),
    _local("encrypt(nonce, dek, ", "encrypt(nonce, dek.strip(), "),
    _local("encrypt(nonce, dek, ", "encrypt(nonce, dek.lstrip(bytes(1)), "),
    _local("encrypt(nonce, dek, ", "encrypt(nonce, dek.rstrip(bytes(1)), "),
    _local("nonce + ciphers", "dek + nonce + ciphers"),
    _local("nonce + ciphers[newest].encrypt(nonce, dek, encode_context(context))", "nonce + dek"),
    _local("check_kek(wrapped, self._keys.file.kek_id, _ALGORITHM)", "pass"),
    _local(
        "self._keys.file.kek_id, _ALGORITHM)\n        cipher",
        "self._keys.file.kek_id)\n        cipher",
    ),
    _local(
        "self._keys.file.kek_id, _ALGORITHM)\n        cipher",
        "wrapped.kek_id, _ALGORITHM)\n        cipher",
    ),
    _local("except (InvalidTag, ValueError)", "except InvalidTag"),
    _local("raise UnwrapError from error", "return bytes(32)"),
    _local("raise UnwrapError from error", "raise"),
    _local("check_kek(wrapped, newer.kek_id, versions=newer.keys)", "pass"),
    _local(
        "            check_kek(wrapped, newer.kek_id, versions=newer.keys)\n",
        "            return AESGCM(next(iter(newer.keys.values())))\n",
    ),
    _local("newer = read_key_file(self._path)", "newer = self._keys.file"),
    _local("keys.ciphers[wrapped.kek_version]", "keys.ciphers[keys.file.newest]"),
    _local("if wrapped.kek_version not in keys.ciphers:", "if False:"),
    _local("KekInfo(file.kek_id, ", "KekInfo('local', "),
    _local("KekInfo(file.kek_id, file.newest", "KekInfo(file.kek_id, '0'"),
    _local(
        "WrappedDek(ciphertext, file.kek_id, newest",
        "WrappedDek(ciphertext, file.kek_id, '1'",
    ),
    _local("WrappedDek(ciphertext, file.kek_id", "WrappedDek(ciphertext, ''"),
    _local(
        "newest, _ALGORITHM)\n\n    @hookimpl\n    def unwrap",
        "newest, dek.hex())\n\n    @hookimpl\n    def unwrap",
    ),
    _local(
        "self._path = config.key_file",
        "self._path = config.key_file; print(config.key_file.read_text())",
    ),
    _local(
        "self._keys = _with_ciphers(rotate_key_file(self._path))", "rotate_key_file(self._path)"
    ),
    _local("str(int(before.newest) + 1)", "before.newest", "rotation"),
    _local("{**before.keys, version: key}", "{version: key}", "rotation"),
    _local("publish_over(temporary, path)", "temporary.unlink()", "rotation"),
    _local("max(self.keys, key=int)", "min(self.keys, key=int)", "key_file"),
    _local("raise KekNotFoundError(", "raise ConfigError(", "key_file"),
    _local("raise UnwrapError from error", "raise UnwrapError(f'not under {key!r}') from error"),
    _local(
        "raise UnwrapError from error",
        "refusal = UnwrapError(); refusal.request = [key]; raise refusal from error",
    ),
)

MUTANTS = (*_OF_NAMES, *_OF_DISK, *_OF_STORAGE, *_OF_KEK)
