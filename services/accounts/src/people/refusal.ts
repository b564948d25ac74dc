import { AppError } from '@lockstep/contracts'

/** The same for each reason, so that nobody learns whose e-mail is known. */
export const refusal = () => new AppError('unauthenticated', 'The e-mail or the password is wrong')
