// What all suites share: a deadline for each test, waiting for a condition,
// content that nobody has, a CAR of one block.

import { createHash, randomBytes } from 'node:crypto'
import { test as nodeTest } from 'node:test'
import buffer from 'node:buffer'

globalThis.File ??= buffer.File // Node.js 18 has it, but not as a global

const SECONDS = 90

// What a test runs into is told by the deadline, not by a hang.
export function test (name, body) {
  nodeTest(name, { timeout: SECONDS * 1000 }, body)
}

// The first true value of look(), asked again until there is one.
export async function until (look, what, seconds = 60) {
  const end = Date.now() + seconds * 1000
  let last
  for (;;) {
    try {
      last = await look()
      if (last) return last
    } catch (error) {
      last = error
    }
    if (Date.now() > end) {
      throw new Error(`not within ${seconds} s: ${what} (last: ${last})`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export const bytes = (n) => new Uint8Array(randomBytes(n))

export async function collect (source) {
  const out = []
  for await (const item of source) out.push(item)
  return out
}

export async function joined (source) {
  return Buffer.concat(await collect(source))
}

function base32 (data) {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567'
  let out = ''
  let held = 0
  let bits = 0
  for (const byte of data) {
    held = (held << 8 | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) out += digits[held >> (bits - 5) & 31]
  }
  return bits > 0 ? out + digits[held << (5 - bits) & 31] : out
}

// CIDv1, raw, SHA-256: as bytes and as text.
export function rawCid (data) {
  const digest = createHash('sha256').update(data).digest()
  const cid = Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest])
  return { cid, text: 'b' + base32(cid) }
}

// A CARv1 whose one block (of less than 80 bytes) is its root.
export function carOf (data) {
  const { cid, text } = rawCid(data)
  const header = Buffer.concat([
    Buffer.from([0xa2, 0x65]), Buffer.from('roots'),
    Buffer.from([0x81, 0xd8, 0x2a, 0x58, cid.length + 1, 0]), cid,
    Buffer.from([0x67]), Buffer.from('version'), Buffer.from([1])])
  return {
    text,
    car: Buffer.concat([Buffer.from([header.length]), header,
      Buffer.from([cid.length + data.length]), cid, data])
  }
}
