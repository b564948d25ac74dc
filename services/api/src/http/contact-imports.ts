import type { Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { country, csvFile, idParams, page, text, wholeText } from '../input.ts'
import { nextCursor, textOrNull, time } from '../response.ts'
import { route } from '../route.ts'

const contactImport = z
  .object({
    id: z.string(),
    file_name: z.string(),
    default_country: textOrNull,
    columns: z.array(z.object({ name: z.string(), taken_for: z.string(), note: z.string() })),
    state: z.string(),
    total_bytes: z.number(),
    done_bytes: z.number(),
    rows: z.number(),
    created: z.number(),
    updated: z.number(),
    duplicates: z.number(),
    rejected: z.number(),
    failure: z.string(),
    created_at: time,
    finished_at: time,
  })
  .meta({ id: 'ContactImport' })

/** As long as the server lets a request arrive. */
const timeoutMs = 600_000
const chunkBytes = 256_000

/**
 * Hands a CSV on to `contacts` while it arrives: at no time is more of it here than a few chunks.
 */
export const createContactImport = route({
  method: 'POST',
  audit: 'api',
  path: '/v1/contact-imports',
  right: 'contacts.write',
  summary:
    "Imports contacts from the CSV file in the body (Content-Type: text/csv, ?file_name=). It runs on its own; ask how far it is. Numbers without a country code are read as those of ?default_country=, else of the account's; without one they are refused.",
  query: z.strictObject({ file_name: text(255), default_country: country.optional() }),
  body: csvFile,
  status: 202,
  response: contactImport,
  errors: ['too_large'],
  afterLostResponse:
    'Send it again with a new key: contacts that are there already are not made twice.',
  run: (ctx, { query, body }, call) =>
    ctx.peers.contacts.createImport(messages(query, body), { ...call, timeoutMs }),
})

async function* messages(named: { file_name: string; default_country?: string }, file: Readable) {
  yield { fileName: named.file_name, defaultCountry: named.default_country }
  for await (const bytes of wholeFile(file))
    for (let at = 0; at < bytes.length; at += chunkBytes)
      yield { chunk: bytes.subarray(at, at + chunkBytes) }
}

/** An upload that breaks off was never told to be at its end, so that nothing of it is imported. */
async function* wholeFile(file: Readable): AsyncGenerator<Buffer> {
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

export const getContactImport = route({
  method: 'GET',
  path: '/v1/contact-imports/:id',
  right: 'contacts.read',
  summary:
    'Shows how far an import is, and how many rows were created, updated, duplicates or rejected.',
  params: idParams,
  response: contactImport,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.contacts.getImport(params, call),
})

export const listImportErrors = route({
  method: 'GET',
  path: '/v1/contact-imports/:id/errors',
  right: 'contacts.read',
  summary: 'Lists the rows of an import that were rejected, each with its line and the reason.',
  params: idParams,
  query: z.strictObject(page(wholeText(0, 2_147_483_647), 1_000)),
  response: z.object({
    errors: z.array(z.object({ line: z.number(), reason: z.string() })),
    next_cursor: z.string().nullable(),
  }),
  errors: ['not_found'],
  run: async (ctx, { params: { id }, query: { cursor = 0, limit } }, call) => {
    const { errors } = await ctx.peers.contacts.listImportErrors(
      { id, afterLine: cursor, limit },
      call,
    )
    return { errors, nextCursor: nextCursor(errors, limit, ({ line }) => line) }
  },
})
