import { randomFillSync } from 'node:crypto'
import { v7 as uuid } from 'uuid'

const bytesAnId = 16

/**
 * Ids (uuid v7) of one process, in order as long as its clock goes forward. Random bytes are fetched for 256 at a time: alone
 * they were a tenth of the intake (docs/decisions/0008).
 */
export function openBodyIds(): () => string {
  const random = Buffer.alloc(256 * bytesAnId)
  let at = random.length
  let seq = 0
  return () => {
    if (at === random.length) {
      randomFillSync(random)
      at = 0
    }
    at += bytesAnId
    seq = (seq + 1) % 2 ** 31
    return uuid({ random: random.subarray(at - bytesAnId, at), seq })
  }
}
