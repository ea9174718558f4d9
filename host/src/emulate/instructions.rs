//! Every privileged, semi-privileged and sensitive instruction of a z10, and what a guest has of it.

/// Calls a macro with all of them, each group ascending: *emulated* by a function, for the supervisor
/// state only if `privileged`; *absent*, an operation exception in either state, for the guest has not what
/// is named; *leak*, executed by the machine itself, with what is named; *left*, those of the leaks that other machines
/// leave to the host, with their functions.
macro_rules! instructions {
    ($with:ident) => {
        $with! {
            emulated {
                0x0107 SCKPF privileged clock::sckpf;
                0x8000 SSM privileged psw::ssm;
                0x8200 LPSW privileged psw::lpsw;
                0x8300 DIAG privileged diagnose::diag;
                0x9900 TRACE privileged control::trace;
                0xac00 STNSM privileged psw::stnsm;
                0xad00 STOSM privileged psw::stosm;
                0xae00 SIGP privileged sigp::sigp;
                0xb100 LRA privileged translation::lra;
                0xb202 STIDP privileged facility::stidp;
                0xb204 SCK privileged clock::sck;
                0xb206 SCKC privileged clock::sckc;
                0xb207 STCKC privileged clock::stckc;
                0xb208 SPT privileged clock::spt;
                0xb209 STPT privileged clock::stpt;
                0xb20a SPKA general psw::spka;
                0xb20b IPK general psw::ipk;
                0xb20d PTLB privileged translation::ptlb;
                0xb210 SPX privileged control::spx;
                0xb211 STPX privileged control::stpx;
                0xb212 STAP privileged control::stap;
                0xb219 SAC general psw::sac;
                0xb220 SERVC privileged sclp::servc;
                0xb221 IPTE privileged translation::ipte;
                0xb223 IVSK general key::ivsk;
                0xb224 IAC general psw::iac;
                0xb229 ISKE privileged key::iske;
                0xb22a RRBE privileged key::rrbe;
                0xb22b SSKE privileged key::sske;
                0xb22c TB privileged control::tb;
                0xb230 CSCH privileged channel::csch;
                0xb231 HSCH privileged channel::hsch;
                0xb232 MSCH privileged channel::msch;
                0xb233 SSCH privileged channel::ssch;
                0xb234 STSCH privileged channel::stsch;
                0xb235 TSCH privileged channel::tsch;
                0xb236 TPI privileged channel::tpi;
                0xb237 SAL privileged channel::nothing;
                0xb238 RSCH privileged channel::not_operational;
                0xb239 STCRW privileged channel::stcrw;
                0xb23a STCPS privileged channel::stcps;
                0xb23b RCHP privileged channel::not_operational;
                0xb23c SCHM privileged channel::nothing;
                0xb246 STURA privileged control::stura;
                0xb248 PALB privileged channel::nothing;
                0xb24b LURA privileged control::lura;
                0xb250 CSP privileged translation::csp;
                0xb254 MVPG general move_spaces::mvpg;
                0xb274 SIGA privileged channel::not_operational;
                0xb276 XSCH privileged channel::not_operational;
                0xb279 SACF general psw::sac;
                0xb27d STSI privileged facility::stsi;
                0xb2b1 STFL privileged facility::stfl;
                0xb2b2 LPSWE privileged psw::lpswe;
                0xb600 STCTL privileged control::stctl;
                0xb700 LCTL privileged control::lctl;
                0xb905 LURAG privileged control::lurag;
                0xb925 STURG privileged control::sturg;
                0xb98a CSPG privileged translation::cspg;
                0xb98e IDTE privileged translation::idte;
                0xb9ab ESSA general essa::essa;
                0xc800 MVCOS general move_spaces::mvcos;
                0xd900 MVCK general move_spaces::mvck;
                0xda00 MVCP general move_spaces::mvcp;
                0xdb00 MVCS general move_spaces::mvcs;
                0xe303 LRAG privileged translation::lrag;
                0xe313 LRAY privileged translation::lray;
                0xe502 STRAG privileged translation::strag;
                0xe50e MVCSK general move_spaces::mvcsk;
                0xe50f MVCDK general move_spaces::mvcdk;
                0xeb0f TRACG privileged control::trace;
                0xeb25 STCTG privileged control::stctg;
                0xeb2f LCTLG privileged control::lctlg;
            }
            absent {
                0x0101 PR "the linkage stack";
                0x0104 PTFF "TOD-clock steering (facility 28)";
                0x01ff TRAP2 "the trap facility, which stands on access lists";
                0xb214 SIE "interpretive execution";
                0xb218 PC "ASN translation";
                0xb225 SSAR "ASN translation";
                0xb226 EPAR "ASN translation";
                0xb227 ESAR "ASN translation";
                0xb228 PT "ASN translation";
                0xb22e PGIN "expanded storage, of which guests have none";
                0xb22f PGOUT "expanded storage, of which guests have none";
                0xb240 BAKR "the linkage stack";
                0xb247 MSTA "the linkage stack";
                0xb249 EREG "the linkage stack";
                0xb24a ESTA "the linkage stack";
                0xb24c TAR "access-register mode";
                0xb258 BSG "ASN translation";
                0xb25a BSA "ASN translation";
                0xb25f CHSC "real channel devices";
                0xb277 RP "access-register mode";
                0xb280 LPP "the program parameter (facility 40)";
                0xb284 LCCTL "counters and sampling of the CPU";
                0xb285 LPCTL "counters and sampling of the CPU";
                0xb286 QSI "counters and sampling of the CPU";
                0xb287 LSCTL "counters and sampling of the CPU";
                0xb28e QCTRI "counters and sampling of the CPU";
                0xb2ad NQAP "crypto (adjunct processors)";
                0xb2ae DQAP "crypto (adjunct processors)";
                0xb2af PQAP "crypto (adjunct processors)";
                0xb2e0 SCCTR "counters and sampling of the CPU";
                0xb2e1 SPCTR "counters and sampling of the CPU";
                0xb2e4 ECCTR "counters and sampling of the CPU";
                0xb2e5 EPCTR "counters and sampling of the CPU";
                0xb2ff TRAP4 "the trap facility, which stands on access lists";
                0xb90e EREGG "the linkage stack";
                0xb99a EPAIR "ASN translation (facility 6, ASN-and-LX reuse)";
                0xb99b ESAIR "ASN translation (facility 6, ASN-and-LX reuse)";
                0xb99c EQBS "QDIO buffer states, of real channel devices";
                0xb99d ESEA "access-register mode";
                0xb99e PTI "ASN translation (facility 6, ASN-and-LX reuse)";
                0xb99f SSAIR "ASN translation (facility 6, ASN-and-LX reuse)";
                0xb9a2 PTF "topology (facility 11)";
                0xb9aa LPTEA "DAT enhancement 2";
                0xb9af PFMF "enhanced DAT (facility 8)";
                0xe500 LASP "ASN translation";
                0xeb8a SQBS "QDIO buffer states, of real channel devices";
            }
            leak {
                0xb205 STCK "the machine's clock: guests share its time";
                0xb278 STCKE "the machine's clock";
                0xb27c STCKF "the machine's clock";
                0xb2b0 STFLE "the machine's facility list";
                0xb928 PCKMO "the machine's crypto, if it has any: not privileged on this emulator";
                0xb98d EPSW "the real PSW: problem state, DAT on";
                0xc801 ECTG "the machine's clock and the real CPU timer";
                0xe501 TPROT "condition code 3 or 1 by the host's tables";
            }
            left {
                0xe501 TPROT privileged key::tprot;
            }
        }
    };
}
pub(super) use instructions;
