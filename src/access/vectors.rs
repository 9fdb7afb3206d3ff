//! Keys and tokens that another implementation made (cryptography 48 for Python, over OpenSSL): nothing here comes from us.
//!
//! All tokens say the same: `alice`, good from 1000000000 to 2000000000, for `tidemill` and `other`, from
//! `https://issuer.example`. The private keys are gone.

pub(super) const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArzwJxSf/n1qJzo3UUVi4\n\
ze92VgaSU+7065rhJbD4LaNDYYsu5ysGb3n5x8fjmWERXNjHEm55n658kfsDe78d\n\
ob+61rCUm97toZ+XdxDOfMiMfrbUJOgo+xSlEgn8/hjY6ud0a6puWOSCP+cJRKxl\n\
8Hs8w1L2IvpsuH7nmmrSfAx5jXw1q+jF3dIfIo0sZ0rltvVOeLJGzh1M5pnswpvI\n\
pOS3hhSDR7o90bMDOOUXnzDca1Q5h90c/QjVWp4oVkDMV3Waw37YxrwS6j+2CUJi\n\
8lG++WmSrkNh+dIdW8JOw474Y3cFRD1bVIbI5MjLOK13yy599WYXSiN0h3zkcFkM\n\
3QIDAQAB\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const RSA_SMALL_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCiPNEeiLDssAkeuzvoLTehvpcp\n\
gXULq3CrQ0KMOo376H2qtCmpldFRixgLSC+Ub6pvF4/xwtiLo8PF13r9Kxajq732\n\
g/Sup0u82eEXydPle/gIc6qJ6zzkstHcnbFr5czXCPGzWVMY5aDeJxNSPgpBbP19\n\
O/UDrfT4YzYSXUQCoQIDAQAB\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const RSA_PKCS1_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----\n\
MIIBCgKCAQEArzwJxSf/n1qJzo3UUVi4ze92VgaSU+7065rhJbD4LaNDYYsu5ysG\n\
b3n5x8fjmWERXNjHEm55n658kfsDe78dob+61rCUm97toZ+XdxDOfMiMfrbUJOgo\n\
+xSlEgn8/hjY6ud0a6puWOSCP+cJRKxl8Hs8w1L2IvpsuH7nmmrSfAx5jXw1q+jF\n\
3dIfIo0sZ0rltvVOeLJGzh1M5pnswpvIpOS3hhSDR7o90bMDOOUXnzDca1Q5h90c\n\
/QjVWp4oVkDMV3Waw37YxrwS6j+2CUJi8lG++WmSrkNh+dIdW8JOw474Y3cFRD1b\n\
VIbI5MjLOK13yy599WYXSiN0h3zkcFkM3QIDAQAB\n\
-----END RSA PUBLIC KEY-----\n\
";
pub(super) const RSA_N: &str = "rzwJxSf_n1qJzo3UUVi4ze92VgaSU-7065rhJbD4LaNDYYsu5ysGb3n5x8fjmWERXNjHEm55n658kfsDe78dob-61rCUm97t\
    oZ-XdxDOfMiMfrbUJOgo-xSlEgn8_hjY6ud0a6puWOSCP-cJRKxl8Hs8w1L2IvpsuH7nmmrSfAx5jXw1q-jF3dIfIo0sZ0rl\
    tvVOeLJGzh1M5pnswpvIpOS3hhSDR7o90bMDOOUXnzDca1Q5h90c_QjVWp4oVkDMV3Waw37YxrwS6j-2CUJi8lG--WmSrkNh\
    -dIdW8JOw474Y3cFRD1bVIbI5MjLOK13yy599WYXSiN0h3zkcFkM3Q";
pub(super) const RS256: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDA\
    wMDAwLCJhdWQiOlsidGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.TPHwHQJcs2o\
    RNr261EJu3aacR0YeGxC5fTp0gjHDY0U9xvWWOjupV1u8b2cu-lY2zShYuZ96xtNFi6UdoDJVvhVEtd8MBPGfvxQ5T5JBbdl\
    sWevOf_bp_yZ8n7IPfV2mG0jAiBrwSLox9V5AnQp1Hte-jvjHC4FBY_LBiS2_eGrSM-HH-E2nbaSSnkzcMInFeiJsAPhVnnw\
    Hsc56RUDy569pny9nfrYTmb8x4VAu5BrZ2hvVxB-Di8ZNMbFAlQNBgFdjf9YxhNsD8tbN3IiV6AyWFbTmK0suF6SFgPBeGcY\
    ikYPmHWCww7LUVw_JFO_CnaUEKX4JAFGL78RQmeNv1A";
pub(super) const RS512: &str = "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDA\
    wMDAwLCJhdWQiOlsidGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.LcZWSSefBAy\
    441cChWc6kmlhbHetuJNGvW6gAqKq9ZMHo5bRwNf1eXMiMv9rM2dJ_hKAIRTpozbfj4hClI8US9UQVbCLolUgFPCnKakukDm\
    j4tTOIJ4pMMPIhvz3UydL2eTep_zjeN8IfmVm_k_MmP5QqY-1_pRNC54nxYsYRAxm573Xi734pJl9w1ewmdCtqY0r7_NyhIQ\
    iJLABGiKhKPototdKs-ASr1AtMlo19ICZ-JCKGI19Ccf_bffRI6VX8yGi2IaweCsbDUTBKJYFirFCL6QmcOQf2NgAO2eoebO\
    3V7Hl1hrBV7DeaJ-IobsiGRrUC71UREgvJ7FrghM7yg";
pub(super) const PS256: &str = "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDA\
    wMDAwLCJhdWQiOlsidGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.oF4608m5Fex\
    s4bD1y4BgF1pZUcDU4v3GcnQICh0otOZxTdZTBh-TSsuU_a4BxEhcpDLZKj5IPBAbdvLWjJhTuEGlkmFWoOzsKpRfcr4T7H0\
    wc9Vd82pJVO9qH9_CxSxcVn6nHedY7hDdz1nb6_fXscRvFbwe0CLi_9KuHU86nyvuJY3AYVJyBdjZE2OVqSqL0pZem6af_Kd\
    q9bjZZ-hBShoYJ1zCHTJ8meuXSx7ror7JVlNBgzpwFLtp00ZQvU_9yWzPPShSfg_iie4ExlxDleQU0GFlIJwJPygbm-yEf_Y\
    pvJ7SSNynGhAKQqQnfOCVCbe2aUTeOhgI7Y25F_X8Ig";
pub(super) const P256_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExBf/CP/LkmtlJICnSu1sG0O1oLpR\n\
H5IGRnB/6uWVAWZ7AbB3SkEL96RKKNsVQgHP+AG67TAVQJb7LpRh5KNy7g==\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEnqq0fhI8e1eGrIFoMAksE+xI2kTCRf4D\n\
zuEhK+ClAEcXVBr2V0IrgJoMTkqQD6RWTHWbtJCqdDXsQafWnzl0iVIGkjALAcr9\n\
PB7+oZYmIZplzUteH9ckaqQhjrTod6iZ\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const K256_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEUr/1Wuqf0rT3kkp0r9dIpIaerlECgBzy\n\
R8X6D9AHp+v2D2VhzYW6DfGAuz3510jizACSxF4wRClEZ89vwVkn7A==\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDAwMDAwLCJhdWQiOls\
    idGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.WVIZ28d2hlnLlWksWk1Vu_1kZk_\
    f9J2xEvd0Z--PGmt_hOW_jDKsX06NHSz0AzGBaZvczJGus8NUL1kEO6m3jg";
pub(super) const ES384: &str = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDAwMDAwLCJhdWQiOls\
    idGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.fPn26WUdrJ3bDbfiXtwudDofbCa\
    FeL0yf7A39r-Xv3PS-XlVq6Em0jQCUOeamlWPy16wKYo1V7slrZ0RwWeSzEH9AqPe6DZZuiLm---UWXCq9Pal89FK2MCsx6q\
    A3JqE";
pub(super) const ED_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAFtiGyqxwwM+huDknHnYWJujOXR0awtpxgUXP2eKf+NA=\n\
-----END PUBLIC KEY-----\n\
";
pub(super) const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDAwMDAwLCJhdWQiOls\
    idGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.ndFUWUAWI9e7RDicKgYmjYpusuT\
    erCCWcmmGJrpiSYgyL__WgnPYFGMT2nDOrp13BUdyzfhM2ztMXL6APRNaCA";
pub(super) const ED25519: &str = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDAwMDAwLCJhdWQi\
    OlsidGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.dHIegODrc20Mza-SdnH0Vsv6\
    YLWzdPQLdjSpMnz9rvEez7B7JxMPYKZ3aMK350kpJQE4GaHjLhGYeIiDFBKgCw";
pub(super) const CONFUSED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDA\
    wMDAwLCJhdWQiOlsidGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.K3lcJsIvxvV\
    WG53UzwSnPCTJGuLBFhSlV4uu3o3wBLI";
pub(super) const NONE: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMCwibmJmIjoxMDAwMDAwMDAwLCJhdWQiOlsi\
    dGlkZW1pbGwiLCJvdGhlciJdLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.";
