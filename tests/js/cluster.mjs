// Every call of @nftstorage/ipfs-cluster, unmodified, against a running
// cluster: PINFOLD_HTTP is a coordinator, PINFOLD_DAEMON an IPFS daemon.

import assert from 'node:assert/strict'
import { Cluster } from '@nftstorage/ipfs-cluster'
import { bytes, carOf, rawCid, test, until } from './suite.mjs'

const cluster = new Cluster(process.env.PINFOLD_HTTP)
const daemon = process.env.PINFOLD_DAEMON

async function rpc (call, body) {
  const answer = await fetch(`${daemon}/api/v0/${call}`,
    { method: 'POST', body })
  assert.equal(answer.status, 200, call)
  return answer
}

// What the daemon reads, from whomever has it.
async function cat (cid) {
  const answer = await rpc(`cat?arg=${cid}`)
  return new Uint8Array(await answer.arrayBuffer())
}

// The CID of content that the daemon has and nobody pinned.
async function content () {
  const body = new FormData()
  body.append('file', new Blob([bytes(3000)]), 'file')
  const answer = await rpc('add?pin=false&cid-version=1', body)
  return (await answer.json()).Hash
}

const states = (status) => Object.values(status.peerMap).map((p) => p.status)

// Its status, once so many copies (3: what is configured) are there.
async function pinned (cid, copies = 3) {
  return until(async () => {
    const status = await cluster.status(cid)
    return states(status).filter((s) => s === 'pinned').length === copies &&
      status
  }, `${cid} is pinned on ${copies}`)
}

function refused (promise, text) {
  return assert.rejects(promise, (error) => {
    assert.equal(error.message, text)
    assert.equal(error.response.headers.get('content-type'),
      'application/json')
    return true
  })
}

test('version', async () => {
  assert.match(await cluster.version(), /^\d+\.\d+\.\d+/)
})

test('info', async () => {
  const info = await cluster.info()
  assert.match(info.id, /^12D3KooW/)
  assert.match(info.peerName, /^coordinator-\d$/)
  assert.equal(info.clusterPeers.length, 4)
  assert.equal(info.error, '')
  assert.equal(info.ipfs.error, '')
  assert.match(info.ipfs.id, /^(12D3KooW|Qm)/)
  assert.equal(info.version, await cluster.version())
  assert.ok(info.addresses[0].endsWith('/p2p/' + info.id))
})

test('peerList', async () => {
  const peers = await cluster.peerList()
  assert.deepEqual(peers.map((p) => p.peerName).sort(),
    ['node-1', 'node-2', 'node-3'])
  for (const peer of peers) {
    assert.equal(peer.error, '')
    assert.ok(peer.ipfs.id)
  }
})

test('metricNames', async () => {
  const names = await cluster.metricNames()
  for (const name of ['ping', 'freespace', 'pinqueue', 'reposize']) {
    assert.ok(names.includes(name), name)
  }
})

test('add a blob', async () => {
  const data = bytes(1000)
  const added = await cluster.add(new Blob([data]))
  assert.equal(added.cid, rawCid(data).text)
  assert.equal(added.size, 1000)
  await pinned(added.cid)
  assert.deepEqual(await cat(added.cid), data)
})

test('add a file with options', async () => {
  const data = bytes(700_000)
  const expireAt = new Date(Date.now() + 3600_000)
  const added = await cluster.add(new File([data], 'a name.bin'), {
    name: 'the pin',
    replicationFactorMin: 1,
    replicationFactorMax: 1,
    metadata: { colour: 'red', 'a b': 'c&d=é' },
    expireAt,
    chunker: 'size-100000',
    rawLeaves: false,
    cidVersion: 0,
    hashFun: 'sha2-256',
    layout: 'trickle'
  })
  assert.equal(added.name, 'a name.bin')
  assert.match(added.cid, /^Qm/)
  const pin = await cluster.allocation(added.cid)
  assert.equal(pin.name, 'the pin')
  assert.equal(pin.replicationFactorMax, 1)
  assert.equal(pin.allocations.length, 1)
  assert.equal(pin.expireAt.getTime(), expireAt.getTime())
  assert.deepEqual(pin.metadata, { colour: 'red', 'a b': 'c&d=é' })
  await pinned(added.cid, 1)
  assert.deepEqual(await cat(added.cid), data)
})

test('add as a stream, into the local daemon', async () => {
  const data = bytes(500)
  const added = await cluster.add(new Blob([data]),
    { streamChannels: true, local: true })
  assert.equal(added.cid, rawCid(data).text)
  await pinned(added.cid)
})

test('add a large file', async () => {
  const data = bytes(20 << 20)
  const added = await cluster.add(new Blob([data]))
  await pinned(added.cid)
  assert.deepEqual(Buffer.compare(await cat(added.cid), data), 0)
})

test('add with a bad option', async () => {
  await refused(cluster.add(new Blob(['x']), { layout: 'odd' }),
    '400: Bad Request')
  await assert.rejects(cluster.add('x'), /invalid file/)
})

test('addDirectory', async () => {
  const files = [new File([bytes(300)], 'a'), new File([bytes(400)], 'b.txt'),
    new File(['deep'], 'd/c')]
  const added = await cluster.addDirectory(files, { name: 'folder' })
  assert.deepEqual(added.map((e) => e.name), ['a', 'b.txt', 'd/c', 'd', ''])
  const root = added.at(-1).cid
  await pinned(root)
  assert.equal((await cluster.allocation(root)).name, 'folder')
  assert.deepEqual(await cat(`${root}/b.txt`),
    new Uint8Array(await files[1].arrayBuffer()))
  assert.equal(Buffer.from(await cat(`${root}/d/c`)).toString(), 'deep')
})

test('addCAR', async () => {
  const data = Buffer.from(bytes(40))
  const { car, text } = carOf(data)
  const added = await cluster.addCAR(new Blob([car]), { name: 'of a CAR' })
  assert.equal(added.cid, text)
  assert.equal(added.bytes, 40)
  await pinned(text)
  assert.deepEqual(Buffer.from(await cat(text)), data)
  await refused(cluster.addCAR(new Blob(['no CAR'])), '400: Bad Request')
})

test('pin with every option', async () => {
  const cid = await content()
  const [peer] = await cluster.peerList()
  const expireAt = new Date(Date.now() + 7200_000)
  const asked = {
    name: 'all of them',
    mode: 'recursive',
    replicationFactorMin: 1,
    replicationFactorMax: 2,
    shardSize: 1 << 20,
    userAllocations: [peer.id],
    expireAt,
    metadata: { k: 'v' },
    origins: [`/ip4/127.0.0.1/tcp/4001/p2p/${peer.ipfs.id}`]
  }
  const pin = await cluster.pin(cid, asked)
  assert.equal(pin.cid, cid)
  assert.equal(pin.type, 'pin')
  assert.equal(pin.maxDepth, -1)
  assert.ok(pin.allocations.includes(peer.id))
  for (const key of ['name', 'mode', 'replicationFactorMin',
    'replicationFactorMax', 'userAllocations', 'expireAt', 'metadata']) {
    assert.deepEqual(pin[key], asked[key], key)
  }
  await pinned(cid, 2)
  assert.deepEqual(await cluster.allocation(cid), pin)
})

test('pin by a path', async () => {
  const root = (await cluster.addDirectory([new File(['x'], 'x')])).at(-1).cid
  const file = rawCid(Buffer.from('x')).text
  const pin = await cluster.pin(`/ipfs/${root}/x`)
  assert.equal(pin.cid, file)
  await pinned(file)
  const gone = await cluster.unpin(`/ipfs/${root}/x`)
  assert.equal(gone.cid, file)
})

test('pin direct', async () => {
  const cid = await content()
  const pin = await cluster.pin(cid, { mode: 'direct' })
  assert.equal(pin.mode, 'direct')
  assert.equal(pin.maxDepth, 0)
  await pinned(cid)
})

test('pin as an update', async () => {
  const old = await content()
  const cid = await content()
  await cluster.pin(old, { name: 'one', metadata: { k: 'v' } })
  const pin = await cluster.pin(cid, { pinUpdate: old, name: 'two' })
  assert.equal(pin.pinUpdate, old)
  assert.equal(pin.name, 'two')
  assert.deepEqual(pin.metadata, { k: 'v' })
  await pinned(cid)
  await pinned(old)
})

test('pin what cannot be', async () => {
  const cid = await content()
  await refused(cluster.pin('nonsense'), '400: Bad Request')
  await refused(cluster.pin(cid, { expireAt: new Date(0) }),
    '400: Bad Request')
  await refused(cluster.pin(cid, { replicationFactorMin: 3,
    replicationFactorMax: 2 }), '400: Bad Request')
  assert.deepEqual(new Set(states(await cluster.status(cid))),
    new Set(['unpinned']))
})

test('unpin', async () => {
  const cid = await content()
  await cluster.pin(cid, { name: 'short' })
  await pinned(cid)
  const gone = await cluster.unpin(cid)
  assert.equal(gone.name, 'short')
  await until(async () => states(await cluster.status(cid)).every(
    (s) => s === 'unpinned'), 'it is unpinned')
  await refused(cluster.unpin(cid), '404: Not Found')
})

test('status', async () => {
  const cid = await content()
  await cluster.pin(cid, { name: 'seen', replicationFactorMin: 2,
    replicationFactorMax: 2 })
  const status = await pinned(cid, 2)
  assert.equal(status.cid, cid)
  assert.equal(status.name, 'seen')
  assert.deepEqual(states(status).sort(), ['pinned', 'pinned', 'remote'])
  for (const peer of Object.values(status.peerMap)) {
    assert.match(peer.peerName, /^node-\d$/)
    assert.ok(peer.ipfsPeerId)
    assert.equal(peer.error, '')
    assert.ok(!Number.isNaN(peer.timestamp.getTime()))
  }
  const local = await cluster.status(cid, { local: true })
  assert.equal(states(local).length, 1)
  const unknown = await cluster.status(rawCid(bytes(20)).text)
  assert.deepEqual(states(unknown), ['unpinned', 'unpinned', 'unpinned'])
})

test('statusAll', async () => {
  const cids = [await content(), await content()]
  for (const cid of cids) {
    await cluster.pin(cid)
    await pinned(cid)
  }
  const all = await cluster.statusAll()
  const seen = all.map((s) => s.cid)
  assert.equal(new Set(seen).size, seen.length)
  for (const cid of cids) assert.ok(seen.includes(cid))
  const some = await cluster.statusAll({ cids })
  assert.deepEqual(some.map((s) => s.cid).sort(), [...cids].sort())
  const good = await cluster.statusAll({ filter: ['pinned', 'remote'] })
  assert.ok(cids.every((cid) => good.some((s) => s.cid === cid)))
  assert.ok((await cluster.statusAll({ local: true })).every(
    (s) => states(s).length === 1))
  assert.deepEqual(await cluster.statusAll({ filter: 'unpin_error' }), [])
  await refused(cluster.statusAll({ filter: 'nonsense' }), '400: Bad Request')
})

test('allocation', async () => {
  const cid = await content()
  const pin = await cluster.pin(cid, { name: 'stored' })
  assert.deepEqual(await cluster.allocation(cid), pin)
  await refused(cluster.allocation(rawCid(bytes(20)).text), '404: Not Found')
})

test('recover', async () => {
  const cid = await content()
  await cluster.pin(cid)
  await pinned(cid)
  const status = await cluster.recover(cid)
  assert.equal(status.cid, cid)
  assert.equal(states(status).length, 3)
  assert.equal(states(await cluster.recover(cid, { local: true })).length, 1)
})

test('a call that is given up', async () => {
  const stop = new AbortController()
  stop.abort()
  await assert.rejects(cluster.statusAll({ signal: stop.signal }),
    { name: 'AbortError' })
  assert.ok(await cluster.version())
})
