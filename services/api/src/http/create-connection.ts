import { z } from 'zod'
import { id, text } from '../input.ts'
import { route } from '../route.ts'
import { connectionToJson } from '../to-json.ts'

const body = z.strictObject({
  name: text().optional(),
  phone_number_id: text(),
  waba_id: text(),
  app_id: id,
  access_token: text(4_096),
})

/** Longer than `accounts` waits for Meta, so that its words arrive here. */
const timeoutMs = 15_000

/** Connects a number; refused with Meta's words when the token can't use it. */
export const createConnection = route({
  method: 'POST',
  path: '/v1/connections',
  does: "Connects a WhatsApp number: asks Meta for it with the access token. The name is Meta's when none is given.",
  ifUnknown: 'Look at GET /v1/connections before you try again with a new key.',
  status: 201,
  body,
  run: async (ctx, { body: { name, phone_number_id, waba_id, app_id, access_token } }, call) => {
    const asked = {
      name: name ?? '',
      phoneNumberId: phone_number_id,
      wabaId: waba_id,
      appId: app_id,
      accessToken: access_token,
    }
    return connectionToJson(
      await ctx.peers.accounts.createConnection(asked, { ...call, timeoutMs }),
    )
  },
})
