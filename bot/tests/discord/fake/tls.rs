//! HTTPS as discord.com serves it, with a certificate that a CA of this test run signed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepts connections whose handshake is done. Handshakes run beside each other: a slow client delays nobody.
pub struct TlsListener {
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

/// Listens on a free port of the loopback; also gives the CA that the client has to trust, as PEM.
pub async fn listen(stop: CancellationToken) -> (TlsListener, String) {
    let (config, ca) = certificate();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (sender, accepted) = mpsc::channel(64);
    tokio::spawn(stop.run_until_cancelled_owned(accept(listener, TlsAcceptor::from(Arc::new(config)), sender)));
    (TlsListener { accepted, address }, ca)
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The fake has been dropped, and with it goes the task that asks here.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, accepted: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    while let Ok((stream, from)) = listener.accept().await {
        let (tls, accepted) = (tls.clone(), accepted.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                // A full channel is waited for; a closed one means that nobody serves any more.
                accepted.send((stream, from)).await.ok();
            }
        });
    }
}

fn certificate() -> (ServerConfig, String) {
    let ca_key = KeyPair::generate().expect("ring makes keys");
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("the parameters are complete");
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().expect("ring makes keys");
    let names = ["discord.com".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).expect("both are host names");
    let certificate = certificate.signed_by(&key, &issuer).expect("the parameters are complete");
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS#8");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key belongs to the certificate");
    (config, ca_certificate.pem())
}
