import { finishOrder, listAuditEntries, recordOrder } from './audit.ts'
import { createInvitation, listInvitations, withdrawInvitation } from './invitations.ts'
import { getPerson, listMembers, removeMember, setMemberRole } from './members.ts'
import {
  changePassword,
  createAnyPasswordReset,
  createPasswordReset,
  requestPasswordReset,
  resetPassword,
} from './passwords.ts'
import {
  acceptInvitation,
  authenticateSession,
  endSessions,
  listSessions,
  signIn,
} from './sessions.ts'

/** What is asked about people, and by whom. */
export const peopleMethods = {
  acceptInvitation,
  authenticateSession,
  changePassword,
  createAnyPasswordReset,
  createInvitation,
  createPasswordReset,
  endSessions,
  finishOrder,
  getPerson,
  listAuditEntries,
  listInvitations,
  listMembers,
  listSessions,
  recordOrder,
  removeMember,
  requestPasswordReset,
  resetPassword,
  setMemberRole,
  signIn,
  withdrawInvitation,
}

export const peopleCallers = {
  acceptInvitation: ['api'],
  authenticateSession: ['api'],
  changePassword: ['api'],
  createAnyPasswordReset: ['operator'],
  createInvitation: ['api', 'operator'],
  createPasswordReset: ['api'],
  endSessions: ['api'],
  finishOrder: ['api'],
  getPerson: ['api'],
  listAuditEntries: ['api'],
  listInvitations: ['api'],
  listMembers: ['api'],
  listSessions: ['api'],
  recordOrder: ['api'],
  removeMember: ['api'],
  requestPasswordReset: ['api'],
  resetPassword: ['api'],
  setMemberRole: ['api'],
  signIn: ['api'],
  withdrawInvitation: ['api'],
} as const

/** They come before it is known whose account it is. */
export const peopleAcrossAccounts = [
  'acceptInvitation',
  'authenticateSession',
  'createAnyPasswordReset',
  'requestPasswordReset',
  'resetPassword',
  'signIn',
] as const
