import { AppError, cleanTrimmed } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { CreateImportRequest, Import } from '@lockstep/rpc/gen/contacts'
import { feed } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { contactSettings } from '../db/contact-settings.ts'
import { ImportSchema } from '../db/entities.ts'
import { chunkBytes, discardUpload, insertChunk } from '../db/import-chunks.ts'
import { announceImport } from '../imports/announce-import.ts'
import { type Country, readCountry } from '../imports/country.ts'
import { importToProto } from './imports.ts'

const maxFileBytes = 100_000_000

/** Stores a CSV as it arrives and queues its import, or leaves nothing of a broken upload. */
export const createImport: Method<Context, AsyncIterable<CreateImportRequest>, Import> = async (
  ctx,
  requests,
  call,
) => {
  const { accountId } = call
  const id = uuid()
  try {
    const { fileName, totalBytes, country } = await storeFile(ctx, accountId, id, requests)
    call.signal?.throwIfAborted()
    return await ctx.db.transaction(accountId, async (tx) => {
      const defaultCountry = country || (await contactSettings(tx)).defaultCountry
      const createdAt = new Date(ctx.now())
      const created = tx.em.create(ImportSchema, {
        id,
        accountId,
        fileName,
        defaultCountry,
        state: 'queued',
        totalBytes,
        createdAt,
      })
      await tx.em.flush()
      await announceImport(ctx, tx, created)
      await feed(ctx, tx, { lane: 'contacts.import', key: accountId, kind: 'import', rowId: id })
      return importToProto(created)
    })
  } catch (error) {
    await ctx.db
      .transaction(accountId, (tx) => discardUpload(tx, id))
      .catch((err) =>
        ctx.log.warn(
          { err, importId: id },
          'A broken upload could not be removed; the timed job will',
        ),
      )
    throw error
  }
}

/** Stores the bytes in pieces of one size, with one piece and one message in memory. */
async function storeFile(
  ctx: Context,
  accountId: string,
  importId: string,
  requests: AsyncIterable<CreateImportRequest>,
) {
  let fileName = ''
  let country: Country | '' = ''
  let totalBytes = 0
  let seq = 0
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  const store = (bytes: Buffer) =>
    ctx.db.transaction(accountId, (tx) => insertChunk(tx, importId, seq++, bytes))
  for await (const request of requests) {
    fileName ||= cleanTrimmed(request.fileName, 255)
    country ||= readCountry(request.defaultCountry)
    if (!fileName) throw new AppError('invalid', '"file_name" is missing in the first message')
    totalBytes += request.chunk.length
    if (totalBytes > maxFileBytes)
      throw new AppError(
        'too_large',
        `The file is larger than ${maxFileBytes / 1e6} MB; split it and import the parts one by one`,
      )
    pending.push(request.chunk)
    pendingBytes += request.chunk.length
    if (pendingBytes < chunkBytes) continue
    let piece = Buffer.concat(pending)
    for (; piece.length >= chunkBytes; piece = piece.subarray(chunkBytes))
      await store(piece.subarray(0, chunkBytes))
    pending = [piece]
    pendingBytes = piece.length
  }
  if (totalBytes === 0) throw new AppError('invalid', 'The file is empty')
  if (pendingBytes > 0) await store(Buffer.concat(pending))
  return { fileName, totalBytes, country }
}
