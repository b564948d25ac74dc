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
import { createRole, deleteRole, listRoles, updateRole } from './roles.ts'
import {
  confirmSecondFactor,
  disableSecondFactor,
  getSecondFactor,
  resetAnySecondFactor,
  resetSecondFactor,
  startSecondFactor,
} from './second-factors.ts'
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
  confirmSecondFactor,
  createAnyPasswordReset,
  createInvitation,
  createPasswordReset,
  createRole,
  deleteRole,
  disableSecondFactor,
  endSessions,
  finishOrder,
  getPerson,
  getSecondFactor,
  listAuditEntries,
  listInvitations,
  listMembers,
  listRoles,
  listSessions,
  recordOrder,
  removeMember,
  requestPasswordReset,
  resetAnySecondFactor,
  resetPassword,
  resetSecondFactor,
  setMemberRole,
  signIn,
  startSecondFactor,
  updateRole,
  withdrawInvitation,
}

export const peopleCallers = {
  acceptInvitation: ['api'],
  authenticateSession: ['api'],
  changePassword: ['api'],
  confirmSecondFactor: ['api'],
  createAnyPasswordReset: ['operator'],
  createInvitation: ['api', 'operator'],
  createPasswordReset: ['api'],
  createRole: ['api'],
  deleteRole: ['api'],
  disableSecondFactor: ['api'],
  endSessions: ['api'],
  finishOrder: ['api'],
  getPerson: ['api'],
  getSecondFactor: ['api'],
  listAuditEntries: ['api'],
  listInvitations: ['api'],
  listMembers: ['api'],
  listRoles: ['api'],
  listSessions: ['api'],
  recordOrder: ['api'],
  removeMember: ['api'],
  requestPasswordReset: ['api'],
  resetAnySecondFactor: ['operator'],
  resetPassword: ['api'],
  resetSecondFactor: ['api'],
  setMemberRole: ['api'],
  signIn: ['api'],
  startSecondFactor: ['api'],
  updateRole: ['api'],
  withdrawInvitation: ['api'],
} as const

/** They come before it is known whose account it is. */
export const peopleAcrossAccounts = [
  'acceptInvitation',
  'authenticateSession',
  'createAnyPasswordReset',
  'requestPasswordReset',
  'resetAnySecondFactor',
  'resetPassword',
  'signIn',
] as const
