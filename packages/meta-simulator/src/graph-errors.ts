import { hash } from 'node:crypto'

interface ErrorRow {
  http: number
  title: string
  details?: string
  subcode?: number
  /** Meta's message where it is not `(#code) title`. */
  message?: string
}

/**
 * Meta's errors by code. Codes and HTTP statuses: meta-cloud-api.md §4. Titles and details are Meta's as seen in public captures and
 * tests, or as generally known [U]; a client is to key on the code (§4).
 */
const rows: Record<number, ErrorRow> = {
  0: { http: 401, title: 'AuthException', details: 'We were unable to authenticate the app user.' },
  1: { http: 500, title: 'An unknown error occurred', message: 'An unknown error occurred' },
  2: {
    http: 503,
    title: 'Service temporarily unavailable',
    details: 'Temporary due to downtime or due to being overloaded.',
  },
  3: { http: 400, title: 'Application does not have the capability to make this API call.' },
  4: { http: 429, title: 'Application request limit reached' },
  10: { http: 403, title: 'Application does not have permission for this action' },
  100: { http: 400, title: 'Invalid parameter' },
  190: {
    http: 401,
    title: 'Access token has expired',
    message: 'Invalid OAuth access token - Cannot parse access token',
  },
  200: { http: 400, title: 'Provide valid app ID' },
  368: { http: 403, title: 'Temporarily blocked for policies violations' },
  613: { http: 429, title: 'Calls to this api have exceeded the rate limit.' },
  33: {
    http: 400,
    title: 'Parameter value is not valid',
    details: 'The business phone number has been deleted.',
  },
  80007: {
    http: 400,
    title: 'Rate limit issues',
    details: 'The WhatsApp Business Account has reached its rate limit.',
  },
  130403: { http: 400, title: 'Recipient blocked by the business' },
  130429: {
    http: 429,
    title: 'Rate limit hit',
    details: 'Cloud API message throughput has been reached.',
  },
  130472: {
    http: 400,
    title: "User's number is part of an experiment",
    details: "Failed to send message because this user's phone number is part of an experiment",
  },
  130497: {
    http: 400,
    title: 'Business account is restricted from messaging users in this country.',
  },
  131000: {
    http: 500,
    title: 'Something went wrong',
    details: 'Message failed to send due to an unknown error.',
  },
  131005: { http: 403, title: 'Access denied' },
  131008: { http: 400, title: 'Required parameter is missing' },
  131009: { http: 400, title: 'Parameter value is not valid' },
  131016: {
    http: 500,
    title: 'Service unavailable',
    details: 'A service is temporarily unavailable.',
  },
  131021: {
    http: 400,
    title: 'Recipient cannot be sender',
    details: 'Sender and recipient phone number is the same.',
  },
  131026: {
    http: 400,
    title: 'Message undeliverable',
    details:
      'Message Undeliverable. The recipient may not be on WhatsApp, use an old version or not have accepted the terms.',
  },
  131030: {
    http: 400,
    subcode: 2655007,
    title: 'Recipient phone number not in allowed list',
    details:
      'Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.',
  },
  131031: { http: 403, title: 'Account has been locked' },
  131037: {
    http: 400,
    title: 'WhatsApp provided number needs display name approval before message can be sent.',
  },
  131042: { http: 400, title: 'Business eligibility payment issue' },
  131045: { http: 500, title: 'Message failed to send due to a phone number registration error.' },
  131047: {
    http: 400,
    title: 'Re-engagement message',
    details:
      'Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
  },
  131048: {
    http: 400,
    title: 'Spam rate limit hit',
    details:
      'Message failed to send because there are restrictions on how many messages can be sent from this phone number. This may be because too many previous messages were blocked or flagged as spam.',
  },
  131049: {
    http: 400,
    title: 'This message was not delivered to maintain healthy ecosystem engagement.',
    details:
      'In order to maintain a healthy ecosystem engagement, the message failed to be delivered.',
  },
  131050: {
    http: 400,
    title:
      'Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business',
  },
  131051: { http: 400, title: 'Unsupported message type' },
  131052: { http: 400, title: 'Media download error' },
  131053: { http: 400, title: 'Media upload error' },
  131055: {
    http: 400,
    title: 'Method not allowed',
    details: 'This number may send marketing messages by this method only.',
  },
  131056: {
    http: 400,
    title: '(Business Account, Consumer Account) pair rate limit hit',
    details:
      'Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time',
  },
  131057: { http: 500, title: 'Account in maintenance mode' },
  131062: {
    http: 400,
    title: 'Business-scoped User ID (BSUID) recipients are not supported for this message.',
  },
  131063: { http: 400, title: 'Marketing messages are not enabled on Cloud API' },
  131064: { http: 400, title: 'Limit reached due to template classification violations' },
  132000: { http: 400, title: 'Number of parameters does not match the expected number of params' },
  132001: { http: 404, title: 'Template name does not exist in the translation' },
  132005: { http: 400, title: 'Translated text too long' },
  132007: { http: 400, title: 'Template format character policy violated' },
  132008: { http: 400, title: 'Parameter format does not match format in the created template' },
  132012: { http: 400, title: 'Parameter format does not match format in the created template' },
  132015: {
    http: 400,
    title: 'Template is paused',
    details: 'Template is paused due to low quality so it cannot be sent in a template message.',
  },
  132016: {
    http: 400,
    title: 'Template is disabled',
    details: 'Template has been paused too many times due to low quality and is now disabled.',
  },
  132018: { http: 400, title: "There's an issue with the parameters in your template" },
  132068: { http: 400, title: 'Flow is blocked' },
  132069: { http: 400, title: 'Flow is throttled' },
  133004: { http: 500, title: 'Server is temporarily unavailable' },
  133005: {
    http: 400,
    title: 'Two step verification PIN Mismatch',
    details: 'Two step verification PIN is incorrect.',
  },
  133006: {
    http: 400,
    title: 'Phone number needs to be verified',
    details: 'Phone number needs to be verified before registering.',
  },
  133010: {
    http: 400,
    title: 'Phone number not registered',
    details: 'Phone number not registered on the WhatsApp Business Platform.',
  },
  134011: { http: 400, title: 'WhatsApp Payments terms of service has not been accepted' },
  134100: { http: 400, title: 'Only marketing messages supported' },
  134101: {
    http: 500,
    title: 'Template is syncing',
    details: 'Syncing the template can take up to 10 minutes.',
  },
  134102: { http: 400, title: 'Template unavailable for use' },
  135000: { http: 400, title: 'Generic user error' },
}

/** A refusal by its code, with what the answer says beside the code's own words. */
export interface GraphFault {
  code: number
  details?: string
  /** Replaces the whole message, for the few that are not `(#code) title`. */
  message?: string
  subcode?: number
  type?: 'OAuthException' | 'GraphMethodException'
  http?: number
}

/** An answer of the Graph side, before it is written out. */
export interface GraphAnswer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

/** The refusal for an object that does not exist or is not this token's (meta-cloud-api.md §4, 100 sub 33). */
export function missingObject(method: 'get' | 'post', id: string): GraphFault {
  const message = `Unsupported ${method} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`
  return { code: 100, subcode: 33, message, type: 'GraphMethodException' }
}

/** The answer that Meta gives for a fault; `trace` makes the fbtrace_id. Shape: meta-cloud-api.md §4 "Error body". */
export function errorAnswer(
  fault: GraphFault,
  trace: string | number,
  wabaId: string,
): GraphAnswer {
  const row = rows[fault.code]
  const details = fault.details ?? row?.details
  const subcode = fault.subcode ?? row?.subcode
  const error = {
    message: fault.message ?? row?.message ?? `(#${fault.code}) ${row?.title ?? 'Error'}`,
    type: fault.type ?? 'OAuthException',
    code: fault.code,
    ...(details && { error_data: { messaging_product: 'whatsapp', details } }),
    ...(subcode && { error_subcode: subcode }),
    fbtrace_id: `A${hash('sha256', `trace|${trace}`, 'base64url').slice(0, 22)}`,
  }
  return {
    status: fault.http ?? row?.http ?? 400,
    body: { error },
    headers: limitHeaders(fault.code, wabaId),
  }
}

/** The headers beside call limits (meta-cloud-api.md §4 "Management API"): seconds in the first, percent and minutes in the others. */
function limitHeaders(code: number, wabaId: string): Record<string, string> | undefined {
  if (code !== 4 && code !== 613 && code !== 80007) return undefined
  const usage = { call_count: 100, total_cputime: 25, total_time: 25 }
  return {
    'retry-after': '120',
    'x-business-use-case-usage': JSON.stringify({
      [wabaId]: [{ type: 'whatsapp', ...usage, estimated_time_to_regain_access: 2 }],
    }),
    ...(code === 4 && { 'x-app-usage': JSON.stringify(usage) }),
  }
}

/** An entry of `statuses[].errors` (shape: meta-cloud-api.md §3). */
export function statusError(code: number): Record<string, unknown> {
  const title = rows[code]?.title ?? 'Message failed to send'
  return {
    code,
    title,
    message: title,
    error_data: { details: rows[code]?.details ?? title },
    href: '/documentation/business-messaging/whatsapp/support/error-codes',
  }
}
