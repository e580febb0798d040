// @nftstorage/ipfs-cluster where a cluster asks who it is: PINFOLD_HTTP is a
// coordinator, PINFOLD_HEADER the value of Authorization that it takes.

import assert from 'node:assert/strict'
import { Cluster } from '@nftstorage/ipfs-cluster'
import { bytes, rawCid, test } from './suite.mjs'

const url = process.env.PINFOLD_HTTP
const known = new Cluster(url,
  { headers: { Authorization: process.env.PINFOLD_HEADER } })
const strangers = [new Cluster(url),
  new Cluster(url, { headers: { Authorization: 'Bearer pft_1_wrong' } })]

test('a stranger is told so', async () => {
  const cid = rawCid(bytes(20)).text
  for (const stranger of strangers) {
    for (const call of [() => stranger.version(), () => stranger.info(),
      () => stranger.peerList(), () => stranger.statusAll(),
      () => stranger.pin(cid), () => stranger.unpin(cid),
      () => stranger.allocation(cid), () => stranger.recover(cid),
      () => stranger.metricNames()]) {
      await assert.rejects(call, { message: '401: Unauthorized' })
    }
  }
})

test('a known one works', async () => {
  const cid = rawCid(bytes(20)).text
  assert.ok(await known.version())
  assert.ok(await known.info())
  await known.pin(cid, { name: 'mine' })
  assert.equal((await known.allocation(cid)).name, 'mine')
  assert.ok((await known.statusAll()).some((s) => s.cid === cid))
  assert.equal((await known.unpin(cid)).cid, cid)
})
