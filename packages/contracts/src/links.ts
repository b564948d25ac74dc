/** Where a browser opens a link that is good once; what follows "#" reaches no log. */
export const linkTo = (
  publicUrl: string,
  page: 'invitation' | 'password-reset',
  token: string,
): string => new URL(`/${page}#${token}`, publicUrl).href
