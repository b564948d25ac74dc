import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { holdAttributes } from '../db/attributes.ts'
import { readValues } from './attribute.ts'

/** Values of attributes as they are kept; those with a type stay as they are until the commit. */
export async function requireValues(
  tx: Tx,
  texts: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  if (Object.keys(texts).length === 0) return {}
  const read = readValues(await holdAttributes(tx), texts)
  if ('reason' in read) throw new AppError('invalid', read.reason)
  return read.values
}
