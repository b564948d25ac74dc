import { validate } from 'uuid'

/** True for a text that can be the id of a row. */
export const isId = (text: string): boolean => validate(text)
