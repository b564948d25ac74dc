import type { ImportState } from '@lockstep/contracts'
import type { ImportColumn } from '@lockstep/rpc/gen/contacts'
import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { Country } from '../imports/country.ts'

/** Its counts are written by the statements of `imports.ts`, a batch of rows at a time. */
export const ImportSchema = defineEntity({
  name: 'Import',
  tableName: 'imports',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    fileName: p.text(),
    defaultCountry: p.text().$type<Country | ''>().default(''),
    columns: p.json().$type<ImportColumn[]>().default([]),
    state: p.text().$type<ImportState>(),
    totalBytes: p.bigint('number'),
    doneBytes: p.bigint('number').default(0),
    rows: p.integer().default(0),
    created: p.integer().default(0),
    updated: p.integer().default(0),
    duplicates: p.integer().default(0),
    rejected: p.integer().default(0),
    failure: p.text().default(''),
    createdAt: p.datetime(),
    finishedAt: p.datetime().nullable(),
  },
})

export type Import = InferEntity<typeof ImportSchema>

export const entities = [ImportSchema]
