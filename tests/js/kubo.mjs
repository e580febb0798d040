// kubo-rpc-client, unmodified, against what speaks Kubo's RPC: PINFOLD_RPC is
// an IPFS daemon, or the IPFS proxy of a cluster whose coordinator is
// PINFOLD_HTTP and one of whose daemons is PINFOLD_DAEMON.

import assert from 'node:assert/strict'
import { create, CID } from 'kubo-rpc-client'
import { bytes, collect, joined, test } from './suite.mjs'

const client = create({ url: process.env.PINFOLD_RPC })
const daemon = create({ url: process.env.PINFOLD_DAEMON })
const cluster = process.env.PINFOLD_HTTP
const same = (a, b) => assert.equal(Buffer.compare(a, b), 0)

// Behind the proxy: the cluster has the pin (or not), and says so. cid of any
// version; more: fields of its allocation.
async function known (cid, more = {}) {
  if (!cluster) return
  const answer = await fetch(`${cluster}/allocations/${cid}`)
  assert.equal(answer.status, 200, `${cid} is a pin of the cluster`)
  const pin = await answer.json()
  for (const key in more) assert.equal(pin[key], more[key], key)
}

async function unknown (cid) {
  if (!cluster) return
  const answer = await fetch(`${cluster}/allocations/${cid}`)
  assert.equal(answer.status, 404, `${cid} is no pin of the cluster`)
}

async function types (cid) {
  try {
    return (await collect(client.pin.ls({ paths: [cid] }))).map((p) => p.type)
  } catch (error) {
    assert.match(error.message, /is not pinned/)
    return []
  }
}

// What a daemon has and nobody pinned. Not through the proxy: an upload that
// is not pinned holds up the garbage collection.
async function content () {
  return (await daemon.add(bytes(3000), { pin: false, cidVersion: 1 })).cid
}

test('version', async () => {
  assert.match((await client.version()).version, /^\d+\.\d+/)
})

test('id', async () => {
  const id = await client.id()
  assert.match(id.id.toString(), /^(12D3KooW|Qm)/)
  assert.ok(id.agentVersion)
})

test('repo.gc', async () => {
  const loose = await content()
  const kept = await content()
  await client.pin.add(kept)
  const gone = await collect(client.repo.gc())
  for (const line of gone) assert.equal(line.err, null)
  const has = (cid) => gone.some((line) => Buffer.compare(
    line.cid.multihash.digest, cid.multihash.digest) === 0)
  assert.ok(has(loose))
  assert.ok(!has(kept))
  assert.equal((await joined(client.cat(kept))).length, 3000)
})

test('add', async () => {
  const data = bytes(600_000)
  const added = await client.add({ path: 'a file', content: data },
    { cidVersion: 1, rawLeaves: true })
  assert.equal(added.path, 'a file')
  assert.ok(added.size >= data.length)
  same(await joined(client.cat(added.cid)), data)
  assert.deepEqual(await types(added.cid), ['recursive'])
  await known(added.cid)
})

test('add without a pin', async () => {
  const { cid } = await client.add(bytes(3000), { pin: false })
  assert.deepEqual(await types(cid), [])
  await unknown(cid)
})

test('add with progress', async () => {
  const seen = []
  const data = bytes(3_000_000)
  const added = await client.add(data,
    { progress: (n) => seen.push(n), cidVersion: 1 })
  assert.ok(seen.length > 0)
  assert.equal(seen.at(-1), data.length)
  same(await joined(client.cat(added.cid)), data)
})

test('add a stream', async () => {
  const parts = Array.from({ length: 40 }, () => bytes(50_000))
  const added = await client.add((async function * () { yield * parts })())
  same(await joined(client.cat(added.cid)), Buffer.concat(parts))
  await known(added.cid)
})

test('addAll', async () => {
  const files = {
    'd/a': bytes(100),
    'd/s/b': bytes(300_000),
    'd/s/c': bytes(9)
  }
  const added = await collect(client.addAll(
    Object.entries(files).map(([path, content]) => ({ path, content }))))
  assert.deepEqual(added.map((e) => e.path).sort(),
    ['d', 'd/a', 'd/s', 'd/s/b', 'd/s/c'])
  const root = added.at(-1)
  assert.equal(root.path, 'd')
  same(await joined(client.cat(`/ipfs/${root.cid}/s/b`)), files['d/s/b'])
  assert.deepEqual(await types(root.cid), ['recursive'])
  await known(root.cid)
  for (const entry of added.slice(0, -1)) await unknown(entry.cid)
})

test('addAll, wrapped', async () => {
  const added = await collect(client.addAll(
    [{ path: 'x', content: bytes(10) }, { path: 'y', content: bytes(20) }],
    { wrapWithDirectory: true, cidVersion: 1 }))
  const root = added.at(-1)
  assert.equal(root.path, '')
  const names = await collect(client.ls(root.cid))
  assert.deepEqual(names.map((e) => e.name), ['x', 'y'])
  await known(root.cid)
})

test('cat and what is not there', async () => {
  const cid = await content()
  assert.equal((await joined(client.cat(cid))).length, 3000)
  assert.equal((await joined(client.cat(cid, { offset: 10, length: 5 })))
    .length, 5)
  await assert.rejects(joined(client.cat(`/ipfs/${cid}/none`)))
})

test('pin.add', async () => {
  const cid = await content()
  const pinned = await client.pin.add(cid, { name: 'named' })
  assert.equal(pinned.toString(), cid.toString())
  assert.deepEqual(await types(cid), ['recursive'])
  await known(cid, { name: 'named', mode: 'recursive' })
  assert.equal((await client.pin.add(cid)).toString(), cid.toString())
})

test('pin.add, direct', async () => {
  const cid = await content()
  await client.pin.add(cid, { recursive: false })
  assert.deepEqual(await types(cid), ['direct'])
  await known(cid, { mode: 'direct' })
})

test('pin.add of a path', async () => {
  const data = bytes(50)
  const added = await collect(client.addAll([{ path: 'd/f', content: data }],
    { pin: false, cidVersion: 1 }))
  const pinned = await client.pin.add(`/ipfs/${added.at(-1).cid}/f`)
  assert.equal(pinned.toString(), added[0].cid.toString())
  await known(added[0].cid)
})

test('pin.addAll', async () => {
  const cids = [await content(), await content()]
  const pinned = await collect(client.pin.addAll(cids))
  assert.deepEqual(pinned.map(String), cids.map(String))
  for (const cid of cids) await known(cid)
})

test('pin.ls', async () => {
  const cid = await content()
  const direct = await content()
  await client.pin.add(cid, { name: 'shown' })
  await client.pin.add(direct, { recursive: false })
  const all = await collect(client.pin.ls({ type: 'recursive' }))
  assert.ok(all.every((p) => p.type === 'recursive'))
  assert.ok(all.some((p) => p.cid.equals(cid)))
  assert.ok(!all.some((p) => p.cid.equals(direct)))
  const names = await collect(client.pin.ls({ paths: [cid], names: true }))
  assert.deepEqual(names.map((p) => p.name), ['shown'])
  const some = await collect(client.pin.ls({ type: 'direct' }))
  assert.ok(some.some((p) => p.cid.equals(direct)))
  await assert.rejects(collect(client.pin.ls({ paths: [await content()] })),
    /is not pinned/)
})

test('pin.update', async () => {
  const old = await content()
  const kept = await content()
  const next = await content()
  await client.pin.add(old)
  const found = await client.pin.update(old, kept, { unpin: false })
  assert.deepEqual(found.map(String), [old, kept].map(String))
  assert.deepEqual(await types(old), ['recursive'])
  await client.pin.update(old, next)
  assert.deepEqual(await types(old), [])
  assert.deepEqual(await types(next), ['recursive'])
  await known(next)
  await unknown(old)
})

test('pin.rm', async () => {
  const cid = await content()
  await client.pin.add(cid)
  assert.equal((await client.pin.rm(cid)).toString(), cid.toString())
  assert.deepEqual(await types(cid), [])
  await unknown(cid)
  await assert.rejects(client.pin.rm(cid), /pinned|pinset/)
})

test('pin.rmAll', async () => {
  const cids = [await content(), await content()]
  await collect(client.pin.addAll(cids))
  const gone = await collect(client.pin.rmAll(cids))
  assert.deepEqual(gone.map(String), cids.map(String))
  for (const cid of cids) await unknown(cid)
})

test('repo.stat', async () => {
  const stat = await client.repo.stat()
  assert.ok(stat.repoSize > 0n)
  assert.ok(stat.storageMax > 0n)
})

test('block.put', async () => {
  const data = bytes(500)
  const loose = await client.block.put(bytes(500), { format: 'raw' })
  assert.deepEqual(await types(loose), [])
  const cid = await client.block.put(data, { format: 'raw', pin: true })
  same(await client.block.get(cid), data)
  assert.deepEqual(await types(cid), ['recursive'])
  await known(cid)
  await unknown(loose)
})

test('dag.put', async () => {
  const leaf = await client.dag.put({ leaf: Buffer.from(bytes(8)) },
    { storeCodec: 'dag-cbor', pin: false })
  const cid = await client.dag.put({ leaf, n: 1 },
    { storeCodec: 'dag-cbor', pin: true })
  assert.equal((await client.dag.get(cid)).value.n, 1)
  assert.equal((await client.dag.get(cid)).value.leaf.toString(),
    leaf.toString())
  assert.deepEqual(await types(cid), ['recursive'])
  await known(cid)
  await unknown(leaf)
})

test('a bad argument', async () => {
  await assert.rejects(client.pin.add('nonsense'), (error) => {
    assert.equal(error.name, 'HTTPError')
    return true
  })
  assert.ok(CID.parse((await content()).toString()))
})
