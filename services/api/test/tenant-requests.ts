import { roles } from '@lockstep/contracts'
import { draft, password } from './fixtures.ts'
import type { Everything } from './one-of-everything.ts'

/** A request for a route: its path with ids and query, and a body. */
export interface Asked {
  path: string
  body?: unknown
  /** Of its answer, where that is not the route's. */
  status?: number
}

/** What one account has, for a stranger to name. */
export interface Owned extends Everything {
  draftId: string
  apiKeyId: string
  memberId: string
  sessionId: string
  invitationId: string
  roleId: string
  auditId: string
  /** Of the lane contacts.import. */
  deadId: string
  texts: { tag: string; number: string; phone: string; longTag: string }
}

/** What the stranger has. */
export interface Own extends Everything {
  /** Numbers that Meta lets the stranger use, each connected by nobody. */
  number: object
  token: object
  email: string
  /** Of a link to the stranger's account. */
  invitation: string
  /** Of a link to another password. */
  reset: string
}

/** How a stranger may ask by one route for what is the owner's. */
export interface Attempts {
  /** Names a row of the owner's: not found. The first is also asked by the owner. */
  refused?: Asked[]
  /** Names nothing of the owner's, or beside something of the stranger's own. */
  answered?: Asked[]
  /** Rights that a key needs beside the route's, for nobody takes what they don't have. */
  needs?: readonly string[]
}

const get = (path: string): Asked => ({ path })
const csv = 'name,phone,tags\nZoe,+49 1512 7000001,winter\n'

/** One row a route, by its method and path. */
export const attempts: Readonly<Record<string, (theirs: Owned, own: Own) => Attempts>> = {
  'POST /v1/apps': () => ({
    answered: [
      {
        path: '/v1/apps',
        body: { name: 'App', meta_app_id: '1', secret: 'app-secret', verify_token: 'verify' },
      },
    ],
  }),
  'GET /v1/apps': ({ appId }) => ({
    answered: [get('/v1/apps'), get(`/v1/apps?cursor=${before(appId)}`)],
  }),
  'GET /v1/apps/:id': ({ appId }) => ({ refused: [get(`/v1/apps/${appId}`)] }),
  'PATCH /v1/apps/:id': ({ appId }) => ({
    refused: [{ path: `/v1/apps/${appId}`, body: { name: 'Mine', verify_token: 'mine' } }],
  }),
  'POST /v1/apps/:id/rotate-secret': ({ appId }) => ({
    refused: [{ path: `/v1/apps/${appId}/rotate-secret`, body: { secret: 'mine' } }],
  }),
  'POST /v1/apps/:id/verify-webhook': ({ appId }) => ({
    refused: [{ path: `/v1/apps/${appId}/verify-webhook`, body: { replace: true } }],
  }),
  'GET /v1/dead-letters': () => ({
    answered: [get('/v1/dead-letters'), get('/v1/dead-letters?lane=webhooks.message')],
  }),
  'POST /v1/dead-letters/replay': ({ deadId }) => ({
    answered: [
      { path: '/v1/dead-letters/replay', body: { lane: 'contacts.import', ids: [deadId] } },
    ],
  }),
  'POST /v1/dead-letters/dismiss': ({ deadId }) => ({
    answered: [
      { path: '/v1/dead-letters/dismiss', body: { lane: 'contacts.import', ids: [deadId] } },
    ],
  }),
  'POST /v1/connections': ({ appId }, { number }) => ({
    refused: [{ path: '/v1/connections', body: { ...number, app_id: appId } }],
  }),
  'POST /v1/connections/sign-up': ({ appId }) => ({
    refused: [
      {
        path: '/v1/connections/sign-up',
        body: { app_id: appId, code: 'code', waba_id: '202', phone_number_id: '9599' },
      },
    ],
  }),
  'GET /v1/connections': ({ connectionId }) => ({
    answered: [get('/v1/connections'), get(`/v1/connections?cursor=${before(connectionId)}`)],
  }),
  'GET /v1/connections/:id': ({ connectionId }) => ({
    refused: [get(`/v1/connections/${connectionId}`)],
  }),
  'PATCH /v1/connections/:id': ({ connectionId }) => ({
    refused: [{ path: `/v1/connections/${connectionId}`, body: { name: 'Mine' } }],
  }),
  'PUT /v1/connections/:id/limits': ({ connectionId }) => ({
    refused: [
      {
        path: `/v1/connections/${connectionId}/limits`,
        body: { per_minute: 2, per_second: 2 },
      },
    ],
  }),
  'PUT /v1/connections/:id/token': ({ connectionId }, { token }) => ({
    refused: [{ path: `/v1/connections/${connectionId}/token`, body: token }],
  }),
  'POST /v1/connections/:id/disconnect': ({ connectionId }) => ({
    refused: [get(`/v1/connections/${connectionId}/disconnect`)],
  }),
  'GET /v1/account-events': ({ eventId }) => ({
    answered: [
      get('/v1/account-events'),
      get('/v1/account-events?waba_id=202'),
      get(`/v1/account-events?cursor=${Number(eventId) + 1}`),
    ],
  }),
  'POST /v1/connections/:id/template-syncs': ({ connectionId }) => ({
    refused: [get(`/v1/connections/${connectionId}/template-syncs`)],
  }),
  'GET /v1/template-syncs/:id': ({ syncId }) => ({
    refused: [get(`/v1/template-syncs/${syncId}`)],
  }),
  'GET /v1/templates': ({ connectionId, templateId }) => ({
    refused: [get(`/v1/templates?connection_id=${connectionId}`)],
    answered: [
      get('/v1/templates'),
      get('/v1/templates?waba_id=202'),
      get(`/v1/templates?cursor=${before(templateId)}`),
    ],
  }),
  'GET /v1/templates/:id': ({ templateId }) => ({
    refused: [get(`/v1/templates/${templateId}`)],
  }),
  'POST /v1/contact-attributes': () => ({
    answered: [{ path: '/v1/contact-attributes', body: { name: 'children', type: 'number' } }],
  }),
  'GET /v1/contact-attributes': () => ({ answered: [get('/v1/contact-attributes')] }),
  'PATCH /v1/contact-attributes/:id': ({ attributeId }) => ({
    refused: [{ path: `/v1/contact-attributes/${attributeId}`, body: { label: 'Mine' } }],
  }),
  'DELETE /v1/contact-attributes/:id': ({ attributeId }) => ({
    refused: [get(`/v1/contact-attributes/${attributeId}?keep_values=true`)],
  }),
  'GET /v1/contact-settings': () => ({ answered: [get('/v1/contact-settings')] }),
  'PUT /v1/contact-settings': () => ({
    answered: [{ path: '/v1/contact-settings', body: { default_country: 'FR' } }],
  }),
  'POST /v1/contact-imports': () => ({
    answered: [{ path: '/v1/contact-imports?file_name=zoe.csv', body: csv }],
  }),
  'GET /v1/contact-imports/:id': ({ importId }) => ({
    refused: [get(`/v1/contact-imports/${importId}`)],
  }),
  'GET /v1/contact-imports/:id/errors': ({ importId }) => ({
    refused: [get(`/v1/contact-imports/${importId}/errors`)],
  }),
  'GET /v1/contacts': ({ contactId, texts }) => ({
    answered: [
      get('/v1/contacts'),
      get(`/v1/contacts?tag=${encodeURIComponent(texts.tag)}`),
      get(`/v1/contacts?cursor=${before(contactId)}`),
      get(`/v1/contacts?filter=${filterOf('phone', `+${texts.phone}`)}`),
    ],
  }),
  'POST /v1/contacts': () => ({
    answered: [{ path: '/v1/contacts', body: { phone: '+49 1512 7000002', name: 'Zoe' } }],
  }),
  'PATCH /v1/contacts/:id': ({ contactId }) => ({
    refused: [{ path: `/v1/contacts/${contactId}`, body: { name: 'Mine', add_tags: ['mine'] } }],
  }),
  'DELETE /v1/contacts/:id': ({ contactId }) => ({ refused: [get(`/v1/contacts/${contactId}`)] }),
  'POST /v1/contacts/:id/forget': ({ contactId }) => ({
    refused: [get(`/v1/contacts/${contactId}/forget`)],
  }),
  'GET /v1/contact-count': ({ texts }) => ({
    answered: [get(`/v1/contact-count?filter=${filterOf('tag', texts.tag)}`)],
  }),
  'GET /v1/contacts/:id': ({ contactId }) => ({ refused: [get(`/v1/contacts/${contactId}`)] }),
  'POST /v1/contacts/:id/consent': ({ contactId }) => ({
    refused: [
      { path: `/v1/contacts/${contactId}/consent`, body: { kind: 'opt_out', evidence: 'none' } },
    ],
  }),
  'GET /v1/consent-rules': () => ({ answered: [get('/v1/consent-rules')] }),
  'PUT /v1/consent-rules': () => ({
    answered: [{ path: '/v1/consent-rules', body: { utility_after_stop: false } }],
  }),
  'POST /v1/campaigns': ({ connectionId, texts }, own) => ({
    refused: [{ path: '/v1/campaigns', body: draft(connectionId) }],
    answered: [
      {
        path: '/v1/campaigns',
        body: { ...draft(own.connectionId), filter: { tags: [texts.tag, texts.longTag] } },
      },
    ],
  }),
  'GET /v1/campaigns': ({ campaignId }) => ({
    answered: [
      get('/v1/campaigns?state=completed'),
      get(`/v1/campaigns?cursor=${after(campaignId)}`),
    ],
  }),
  'PATCH /v1/campaigns/:id': ({ draftId }) => ({
    refused: [{ path: `/v1/campaigns/${draftId}`, body: { name: 'Theirs' } }],
  }),
  'DELETE /v1/campaigns/:id': ({ campaignId }) => ({
    refused: [get(`/v1/campaigns/${campaignId}`)],
  }),
  'GET /v1/campaigns/:id': ({ campaignId }) => ({ refused: [get(`/v1/campaigns/${campaignId}`)] }),
  'POST /v1/campaigns/:id/start': ({ draftId }) => ({
    refused: [get(`/v1/campaigns/${draftId}/start`)],
  }),
  'POST /v1/campaigns/:id/pause': ({ pausedId }) => ({
    refused: [get(`/v1/campaigns/${pausedId}/pause`)],
  }),
  'POST /v1/campaigns/:id/resume': ({ pausedId }) => ({
    refused: [get(`/v1/campaigns/${pausedId}/resume`)],
  }),
  'POST /v1/campaigns/:id/cancel': ({ pausedId }) => ({
    refused: [get(`/v1/campaigns/${pausedId}/cancel`)],
  }),
  'POST /v1/campaigns/:id/resend-unknown': ({ campaignId, recipientId }, own) => ({
    refused: [
      {
        path: `/v1/campaigns/${campaignId}/resend-unknown`,
        body: { recipient_ids: [recipientId] },
      },
    ],
    answered: [
      {
        path: `/v1/campaigns/${own.campaignId}/resend-unknown`,
        body: { recipient_ids: [recipientId] },
      },
    ],
  }),
  'GET /v1/campaigns/:id/recipients': ({ campaignId, recipientId }, own) => ({
    refused: [get(`/v1/campaigns/${campaignId}/recipients`)],
    answered: [get(`/v1/campaigns/${own.campaignId}/recipients?cursor=${Number(recipientId) - 1}`)],
  }),
  'GET /v1/conversations': ({ conversationId }) => ({
    answered: [get('/v1/conversations'), get(`/v1/conversations?cursor=${conversationId}`)],
  }),
  'GET /v1/conversations/:id/messages': ({ conversationId, messageId }, own) => ({
    refused: [get(`/v1/conversations/${conversationId}/messages`)],
    answered: [
      get(`/v1/conversations/${own.conversationId}/messages?cursor=${Number(messageId) + 1}`),
    ],
  }),
  'GET /v1/inbound-count': ({ connectionId }) => ({
    refused: [get(`/v1/inbound-count?connection_id=${connectionId}`)],
  }),
  'GET /v1/events': () => ({
    answered: [get('/v1/events'), get('/v1/events?topics=templates,campaigns&cursor=1')],
  }),
  'POST /v1/webhook-endpoints': () => ({
    answered: [
      { path: '/v1/webhook-endpoints', body: { url: 'https://example.com/', topics: ['imports'] } },
    ],
    needs: ['contacts.read'],
  }),
  'GET /v1/webhook-endpoints': () => ({ answered: [get('/v1/webhook-endpoints')] }),
  'GET /v1/webhook-endpoints/:id': ({ endpointId }) => ({
    refused: [get(`/v1/webhook-endpoints/${endpointId}`)],
  }),
  'PATCH /v1/webhook-endpoints/:id': ({ endpointId }) => ({
    refused: [{ path: `/v1/webhook-endpoints/${endpointId}`, body: { description: 'Ours' } }],
  }),
  'POST /v1/webhook-endpoints/:id/enable': ({ endpointId }) => ({
    refused: [get(`/v1/webhook-endpoints/${endpointId}/enable`)],
  }),
  'POST /v1/webhook-endpoints/:id/rotate-secret': ({ endpointId }) => ({
    refused: [
      { path: `/v1/webhook-endpoints/${endpointId}/rotate-secret`, body: { overlap_hours: 1 } },
    ],
  }),
  'POST /v1/webhook-endpoints/:id/test': ({ endpointId }) => ({
    refused: [get(`/v1/webhook-endpoints/${endpointId}/test`)],
  }),
  'POST /v1/webhook-endpoints/:id/replay': ({ endpointId }) => ({
    refused: [
      { path: `/v1/webhook-endpoints/${endpointId}/replay`, body: { delivery_ids: ['1'] } },
    ],
  }),
  'GET /v1/webhook-deliveries': ({ endpointId }) => ({
    refused: [get(`/v1/webhook-deliveries?endpoint_id=${endpointId}`)],
  }),
  'DELETE /v1/webhook-endpoints/:id': ({ endpointId }) => ({
    refused: [get(`/v1/webhook-endpoints/${endpointId}`)],
  }),
  'POST /v1/api-keys': () => ({
    answered: [{ path: '/v1/api-keys', body: { name: 'Program', rights: ['keys.write'] } }],
  }),
  'GET /v1/api-keys': ({ apiKeyId }) => ({
    answered: [get('/v1/api-keys'), get(`/v1/api-keys?cursor=${before(apiKeyId)}`)],
  }),
  'POST /v1/api-keys/:id/rotate': ({ apiKeyId }) => ({
    refused: [{ path: `/v1/api-keys/${apiKeyId}/rotate`, body: { overlap_hours: 1 } }],
  }),
  'POST /v1/api-keys/:id/withdraw': ({ apiKeyId }) => ({
    refused: [get(`/v1/api-keys/${apiKeyId}/withdraw`)],
  }),
  'POST /v1/session': (_, { email }) => ({
    answered: [{ path: '/v1/session', body: { email, password } }],
  }),
  'POST /v1/session/code': () => ({
    answered: [{ path: '/v1/session/code', body: { code: '0' }, status: 422 }],
  }),
  'DELETE /v1/session': () => ({ answered: [get('/v1/session')] }),
  'GET /v1/me': () => ({ answered: [get('/v1/me')] }),
  'GET /v1/sessions': () => ({ answered: [get('/v1/sessions')] }),
  'DELETE /v1/sessions/:id': ({ sessionId }) => ({
    refused: [get(`/v1/sessions/${sessionId}`)],
  }),
  'DELETE /v1/sessions': () => ({ answered: [get('/v1/sessions')] }),
  'POST /v1/invitations/accept': (_, { invitation }) => ({
    answered: [
      { path: '/v1/invitations/accept', body: { token: invitation, name: 'Zoe', password } },
    ],
  }),
  'GET /v1/me/second-factor': () => ({ answered: [get('/v1/me/second-factor')] }),
  'POST /v1/me/second-factor': () => ({
    answered: [{ path: '/v1/me/second-factor', body: { password } }],
  }),
  'POST /v1/me/second-factor/confirm': () => ({
    answered: [{ path: '/v1/me/second-factor/confirm', body: { code: '0' }, status: 401 }],
  }),
  'POST /v1/me/second-factor/disable': () => ({
    answered: [
      { path: '/v1/me/second-factor/disable', body: { password, code: '0' }, status: 422 },
    ],
  }),
  'DELETE /v1/members/:id/second-factor': ({ memberId }) => ({
    refused: [get(`/v1/members/${memberId}/second-factor`)],
    needs: roles.viewer,
  }),
  'PUT /v1/me/password': () => ({
    answered: [{ path: '/v1/me/password', body: { password, new_password: password } }],
  }),
  'POST /v1/invitations': () => ({
    answered: [{ path: '/v1/invitations', body: { email: 'eve@example.com', role: 'viewer' } }],
    needs: roles.viewer,
  }),
  'GET /v1/invitations': ({ invitationId }) => ({
    answered: [get('/v1/invitations'), get(`/v1/invitations?cursor=${before(invitationId)}`)],
  }),
  'POST /v1/invitations/:id/withdraw': ({ invitationId }) => ({
    refused: [get(`/v1/invitations/${invitationId}/withdraw`)],
    needs: roles.viewer,
  }),
  'POST /v1/members/:id/password-reset': ({ memberId }) => ({
    refused: [get(`/v1/members/${memberId}/password-reset`)],
    needs: roles.viewer,
  }),
  'POST /v1/password-resets': (_, { email }) => ({
    answered: [{ path: '/v1/password-resets', body: { email } }],
  }),
  'POST /v1/password-resets/use': (_, { reset }) => ({
    answered: [{ path: '/v1/password-resets/use', body: { token: reset, password } }],
  }),
  'GET /v1/audit-log': ({ memberId, auditId }) => ({
    // All of the stranger's own log names what the stranger has asked for.
    answered: [
      get('/v1/audit-log?action=signIn'),
      get(`/v1/audit-log?target_id=${memberId}`),
      get(`/v1/audit-log?action=signIn&cursor=${Number(auditId) + 1}`),
    ],
  }),
  'GET /v1/members': ({ memberId }) => ({
    answered: [get('/v1/members'), get(`/v1/members?cursor=${before(memberId)}`)],
  }),
  'GET /v1/roles': () => ({ answered: [get('/v1/roles')] }),
  'POST /v1/roles': () => ({
    answered: [{ path: '/v1/roles', body: { name: 'Night', rights: ['members.write'] } }],
  }),
  'PATCH /v1/roles/:id': ({ roleId }) => ({
    refused: [{ path: `/v1/roles/${roleId}`, body: { name: 'Mine' } }],
    needs: ['keys.write'],
  }),
  'DELETE /v1/roles/:id': ({ roleId }) => ({
    refused: [get(`/v1/roles/${roleId}`)],
    needs: ['keys.write'],
  }),
  'PUT /v1/members/:id/role': ({ memberId }) => ({
    refused: [{ path: `/v1/members/${memberId}/role`, body: { role: 'viewer' } }],
    needs: roles.viewer,
  }),
  'DELETE /v1/members/:id': ({ memberId }) => ({
    refused: [get(`/v1/members/${memberId}`)],
    needs: roles.viewer,
  }),
}

/** A filter of one field, as a query has it. */
const filterOf = (field: string, value: string): string =>
  encodeURIComponent(JSON.stringify({ version: 1, where: { field, op: 'is', value } }))

/** The id right before this one in the order of lists. */
const before = (id: string): string => beside(id, -1n)

/** The id right after this one. */
const after = (id: string): string => beside(id, 1n)

function beside(id: string, step: bigint): string {
  const last = BigInt(`0x${id.replaceAll('-', '')}`) + step
  const hex = last.toString(16).padStart(32, '0')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
