import { createInvitation } from './create-invitation.ts'
import { getPerson, listMembers, removeMember, setMemberRole } from './members.ts'
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
  createInvitation,
  endSessions,
  getPerson,
  listMembers,
  listSessions,
  removeMember,
  setMemberRole,
  signIn,
}

export const peopleCallers = {
  acceptInvitation: ['api'],
  authenticateSession: ['api'],
  createInvitation: ['api', 'operator'],
  endSessions: ['api'],
  getPerson: ['api'],
  listMembers: ['api'],
  listSessions: ['api'],
  removeMember: ['api'],
  setMemberRole: ['api'],
  signIn: ['api'],
} as const

/** They come before it is known whose account it is. */
export const peopleAcrossAccounts = ['acceptInvitation', 'authenticateSession', 'signIn'] as const
