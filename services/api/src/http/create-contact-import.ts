import type { Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { country, csvFile, text } from '../input.ts'
import { route } from '../route.ts'
import { importToJson } from '../to-json.ts'

/** As long as the server lets a request arrive. */
const timeoutMs = 600_000
const chunkBytes = 256_000

/** Hands a CSV on to `contacts` while it arrives: at no time is more of it here than a few chunks. */
export const createContactImport = route({
  method: 'POST',
  path: '/v1/contact-imports',
  does: "Imports contacts from the CSV file in the body (Content-Type: text/csv, ?file_name=). It runs on its own; ask how far it is. Numbers without a country code are read as those of ?default_country=, else of the account's; without one they are refused.",
  ifUnknown: 'Send it again with a new key: contacts that are there already are not made twice.',
  status: 202,
  query: z.strictObject({ file_name: text(255), default_country: country.optional() }),
  body: csvFile,
  run: async (ctx, { query, body }, call) =>
    importToJson(
      await ctx.peers.contacts.createImport(messages(query, body), { ...call, timeoutMs }),
    ),
})

async function* messages(named: { file_name: string; default_country?: string }, file: Readable) {
  yield { fileName: named.file_name, defaultCountry: named.default_country }
  for await (const bytes of whole(file))
    for (let at = 0; at < bytes.length; at += chunkBytes)
      yield { chunk: bytes.subarray(at, at + chunkBytes) }
}

/** The file's bytes. An upload that breaks off was never told to be at its end, so that nothing of it is imported. */
async function* whole(file: Readable): AsyncGenerator<Buffer> {
  try {
    // An upload that is refused midway must still be answered, so its socket stays open.
    yield* file.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw new AppError(
      'invalid',
      'The upload broke off before its end; nothing of it was imported',
      { cause },
    )
  }
}
