import { z } from 'zod'
import { text } from '../input.ts'

const conditionMeta = {
  id: 'ContactCondition',
  description:
    'One of `and`, `or`, `not`, or a test of a `field` or an `attribute`. Fields: name, phone, email, language, source (`is`, `in`, `is_set`), tag (`is`, `in`), opted_out and blocked (`is`), created_at and last_inbound_at (`from`, `until`, `in_last_days`, `is_set`). Attributes: `is`, `in`, `is_set`, and of numbers and dates `at_least` and `at_most`. At most 6 levels and 100 conditions.',
}

const condition: z.ZodType = z
  .lazy(() =>
    z.strictObject({
      and: z.array(condition).optional(),
      or: z.array(condition).optional(),
      not: condition.optional(),
      field: z.string().optional(),
      attribute: z.string().optional(),
      op: z.string().optional(),
      value: z.unknown().optional(),
    }),
  )
  .meta(conditionMeta)

/** The grammar of filters, version 1. */
export const contactFilter = z
  .object({ version: z.number(), everybody: z.boolean().optional(), where: condition.optional() })
  .meta({
    id: 'ContactFilter',
    description:
      'Whom it means: `{"version": 1, "where": …}`, or `{"version": 1, "everybody": true}`. An empty one is refused.',
  })

const description =
  'A ContactFilter as JSON, such as {"version": 1, "where": {"field": "tag", "op": "is", "value": "vip"}}'

/** A filter in a query; the service that reads it says what is wrong with it. */
export const filterText = text(8_000).meta({ description })
