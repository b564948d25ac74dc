import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const bytesPerId = 16

/**
 * UUIDs (version 7) of one process, in order as long as its clock goes forward. Random bytes are
 * fetched for 256 at a time: one at a time they were a tenth of the intake (docs/decisions/0008).
 */
export function openUuid7(): () => string {
  const random = Buffer.alloc(256 * bytesPerId)
  let at = random.length
  let seq = 0
  return () => {
    if (at === random.length) {
      randomFillSync(random)
      at = 0
    }
    at += bytesPerId
    seq = (seq + 1) % 2 ** 31
    return v7({ random: random.subarray(at - bytesPerId, at), seq })
  }
}
