/* libraft, the one version whose internals were reviewed: the receive shim
 * (replica_raft.c) reads fields that are no public interface. A newer version
 * must be reviewed before this line accepts it (docs/decisions.md).
 */
#ifndef PINFOLD_RAFT_LIBRARY_H
#define PINFOLD_RAFT_LIBRARY_H

#include <raft.h>
#include <raft/uv.h>

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER != 2201
#error "Pinfold needs libraft 0.22.1 exactly: run deploy/install-deps.sh"
#endif

#endif
