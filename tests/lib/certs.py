"""Certificates for the tests, made by the openssl program."""

import os
import subprocess


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True,
                   timeout=60)


class Authority:
    """A root, and what it signs; files in one folder."""

    def __init__(self, folder, name="root"):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.n = 0
        self.cert, self.key = self._path(name, "crt"), self._path(name, "key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", f"/CN={name}", "-keyout", self.key,
                 "-out", self.cert)

    def _path(self, name, kind):
        return os.path.join(self.folder, f"{name}.{kind}")

    def sign(self, names="DNS:localhost,IP:127.0.0.1", days=10,
             authority=False, key="ec"):
        """A certificate and its key, as paths; the names of self.cert's
        subject are in it."""
        self.n += 1
        name = f"cert-{self.n}"
        cert, secret = self._path(name, "crt"), self._path(name, "key")
        request, more = self._path(name, "csr"), self._path(name, "ext")
        kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] \
            if key == "ec" else [key]
        _openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj",
                 f"/CN={name}", "-keyout", secret, "-out", request)
        with open(more, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={names}\n"
                    f"basicConstraints=CA:{str(authority).upper()}\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey",
                 self.key, "-CAcreateserial", "-days", str(days), "-extfile",
                 more, "-out", cert)
        os.chmod(secret, 0o600)
        return cert, secret

    def below(self):
        """An authority that this one signed."""
        cert, key = self.sign(authority=True)
        child = object.__new__(Authority)
        child.folder = os.path.join(self.folder, f"below-{self.n}")
        os.makedirs(child.folder)
        child.n, child.cert, child.key = 0, cert, key
        return child


def put(path, *sources):
    """The texts of those files, in one step, where path is."""
    with open(path + ".new", "wb") as out:
        for source in sources:
            with open(source, "rb") as f:
                out.write(f.read())
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
