import { createInvitation, listInvitations, withdrawInvitation } from './invitations.ts'
import { getPerson, listMembers, removeMember, setMemberRole } from './members.ts'
import {
  changePassword,
  createAnyPasswordReset,
  createPasswordReset,
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
  getPerson,
  listInvitations,
  listMembers,
  listSessions,
  removeMember,
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
  getPerson: ['api'],
  listInvitations: ['api'],
  listMembers: ['api'],
  listSessions: ['api'],
  removeMember: ['api'],
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
  'resetPassword',
  'signIn',
] as const
